"""Sheets: several maps or views of one film."""
