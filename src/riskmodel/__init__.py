"""riskmodel finds, early, the children who may leave school, so that help can reach them.

Records are cut at a date, become features, become a calibrated risk with reasons, are published, and
are read by schools and counsellors. `docs/architecture.md` is the map of the house.
"""

__version__ = "0.1.0"
