"""The settings of params.yaml as checked, frozen values."""
