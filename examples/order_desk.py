"""An order desk: functions that read and write a database, and take the model's arguments for a stranger's input."""

import asyncio
import sqlite3
import sys

from pipecat.services.llm_service import FunctionCallParams
from voicepipe import AudioResampler, OpenAIRealtimeLLMService, Pipeline, openai_or_local, run
from voicepipe.local.brain.script import Script, ScriptBrain
from voicepipe.services.openai.realtime import SessionProperties
from voicepipe.transports.wav_file import WavFileTransport

INSTRUCTIONS = "You take orders for a bakery. Say what was ordered and what it costs. Two sentences at most."
# What the local server does in the model's place.
OFFLINE = """rules:
  - hear: 'buy {n:number} {item}$'
    call: {name: place_order, arguments: {item: '{item}', quantity: '{digits:n}'}}
    then: ['Order {result.order_id}: {result.total} dollars.', 'Sorry, {result.problem}.']
  - hear: 'order {n:number}'
    call: {name: get_order_status, arguments: {order_id: '{digits:n}'}}
    then: ['Order {arguments.order_id} is {result.status}.', 'Sorry, {result.problem}.']"""
TABLES = """CREATE TABLE stock (item TEXT PRIMARY KEY, price INTEGER, left INTEGER);
CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT, n INTEGER, status TEXT DEFAULT 'in the oven');
INSERT INTO stock VALUES ('rolls', 1, 40), ('cakes', 12, 2);"""
TAKE = "UPDATE stock SET left = left - :n WHERE item = :item AND left >= :n RETURNING price * :n"
NOTE = "INSERT INTO orders (item, n) VALUES (:item, :n)"


class OrderDesk:
    """What the model may do with the database; what it sends is bound to statements, never part of them."""

    def __init__(self) -> None:
        self.database = sqlite3.connect(":memory:")
        self.database.executescript(TABLES)

    async def place_order(self, params: FunctionCallParams, item: str, quantity: int) -> None:
        """Order something.

        Args:
            params: Of the call.
            item: What, in the plural: rolls or cakes.
            quantity: How many.
        """
        wanted = {"item": item, "n": max(1, int(quantity))}
        placed: dict[str, object] = {"problem": "there are not so many"}
        with self.database as database:  # Both statements, or neither.
            if taken := database.execute(TAKE, wanted).fetchall():
                placed = {"order_id": database.execute(NOTE, wanted).lastrowid, "total": taken[0][0]}
        await params.result_callback(placed)

    async def get_order_status(self, params: FunctionCallParams, order_id: int) -> None:
        """Where an order is.

        Args:
            params: Of the call.
            order_id: The order's number.
        """
        row = self.database.execute("SELECT status FROM orders WHERE id = ?", (int(order_id),)).fetchone()
        await params.result_callback({"status": row[0]} if row else {"problem": "there is no such order"})


async def main(answer: str = "answer.wav", local: bool = False) -> OrderDesk:
    async with openai_or_local(local=local, brain=ScriptBrain(Script.load(OFFLINE))) as openai:
        said = ["Buy three cakes.", "Buy two cakes.", "Where is order one?"]
        transport = WavFileTransport([openai.spoken(words) for words in said], answer_path=answer)
        desk = OrderDesk()
        tools = [desk.place_order, desk.get_order_status]
        properties = SessionProperties(instructions=INSTRUCTIONS, tools=tools)
        llm = OpenAIRealtimeLLMService(
            api_key=openai.api_key, base_url=openai.base_url, session_properties=properties
        )
        await run(Pipeline([transport.input(), AudioResampler(), llm, transport.output()]))
    return desk


if __name__ == "__main__":
    asyncio.run(main(local="--local" in sys.argv))
