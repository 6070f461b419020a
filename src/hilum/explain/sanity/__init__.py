"""The sanity gate."""
