from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from roger_actors import Node


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with Node.start("roger.toml") as node:
        app.state.node = node
        yield


app = FastAPI(lifespan=lifespan)
