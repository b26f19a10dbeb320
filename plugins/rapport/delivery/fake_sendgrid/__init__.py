"""A SendGrid of our own on 127.0.0.1, for rehearsals and tests: strict about what it is sent, faulty on
demand."""

from rapport.delivery.fake_sendgrid.faults import Fault
from rapport.delivery.fake_sendgrid.handle import FakeSendGrid
from rapport.delivery.fake_sendgrid.log import Accepted, Asked
from rapport.delivery.fake_sendgrid.received import ReceivedMail
from rapport.delivery.fake_sendgrid.tally import Tally

__all__ = ["Accepted", "Asked", "FakeSendGrid", "Fault", "ReceivedMail", "Tally"]
