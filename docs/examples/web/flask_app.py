from flask import Flask
from myapp.jobs import Resize

from roger_actors import Client

app = Flask(__name__)
roger = Client("roger.toml")


@app.post("/images/<int:image>/resize")
def resize(image: int) -> dict[str, str]:
    record = roger.enqueue(Resize.create({"id": image, "width": 320}), "acme")
    return {"job": record.id}
