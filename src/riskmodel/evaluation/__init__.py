"""Evaluation: how good a list would have been, told with counts and intervals, beside simpler ways.

The headline is what happens at capacity (of so many students contacted, so many would have left), never
accuracy. Events are leavers, each counted once; intervals resample schools, or students of few schools.
"""
