"""The web process: what schools query over HTTP."""
