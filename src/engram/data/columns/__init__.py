"""Columns of tables: what kind they are, and how dates and texts become numbers."""
