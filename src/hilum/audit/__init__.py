"""The known-answer audit: does a model rely on something outside the lungs, and where?"""
