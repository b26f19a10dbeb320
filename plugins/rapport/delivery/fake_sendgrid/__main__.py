"""`python -m rapport.delivery.fake_sendgrid`."""

from rapport.delivery.fake_sendgrid.commands import main

main()
