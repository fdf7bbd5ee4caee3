"""A fictional county with known causes, written as files of the record contract (`world.write_county`)."""
