from stronglens.execution import describe_bytes


def test_numbers_of_bytes():
    assert [describe_bytes(b) for b in (12, 16_700_000, 4.2e13)] == ["12 bytes", "16.7 MB", "42 TB"]
