"""The option that renews the table."""


def pytest_addoption(parser):
    parser.addoption("--update", action="store_true", help="write ptxas.json instead of comparing with it")
