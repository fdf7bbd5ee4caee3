"""Pages that people look at and print: the report, the model card, the datasheet. One template for all."""
