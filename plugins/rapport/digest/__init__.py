"""The daily digest: the Today page as a mail to those whom config/digest.yml lists."""
