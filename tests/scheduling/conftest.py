from tests.lifecycle.conftest import compiled, home, services

__all__ = ["compiled", "home", "services"]
