"""The explorer of a report: its values, its chart, its controls, and the details of every model."""
