"""The known-answer audit: does a model rest on something outside the lungs, and where?"""
