"""``python -m streamtape``."""

from streamtape.cli import main

if __name__ == "__main__":
    main()
