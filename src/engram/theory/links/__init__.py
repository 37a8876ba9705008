"""Link functions of multi-index models: one file each."""
