from typing import Any

from django.db import transaction
from django.http import HttpRequest, JsonResponse
from myapp.jobs import Resize

from roger_actors import Client

roger = Client("roger.toml")  # opens nothing yet; each forked worker opens a connection of its own


def resize(request: HttpRequest, image: int) -> JsonResponse:
    record = Resize.create({"id": image, "width": 320})
    transaction.on_commit(lambda: enqueue(record))
    return JsonResponse({"job": record.id})


def enqueue(record: Any) -> None:
    roger.enqueue(record, "acme")
