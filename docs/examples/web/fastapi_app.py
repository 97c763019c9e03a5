from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from myapp.jobs import Resize

from roger_actors import Client

roger = Client("roger.toml")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    roger.close()


app = FastAPI(lifespan=lifespan)


@app.post("/images/{image}/resize")
async def resize(image: int) -> dict[str, Any]:
    record = await roger.aio.enqueue(Resize.create({"id": image, "width": 320}), "acme")
    return {"job": record.id}
