"""The audit, fixed on models whose truth is known: does a model rely on something outside the lungs, and where?"""
