"""What params.yaml may say, as checked, frozen values."""
