"""The endpoint against a real local server: requests, retries, refusals, secrets, the budget."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import msgspec
import pytest
from tests.endpoint_server import Server, answer

from trueline.files.errors import InputError
from trueline.ledger.budget import Budget, BudgetSpent
from trueline.ledger.sqlite import open_ledger
from trueline.ledger.summary import summary
from trueline.models.contract import Completion, Fatal, ModelError, Transient, Unsupported
from trueline.models.endpoint import adaptive_limit, backoff, http
from trueline.models.endpoint.chat_api import Malformed, completions, reason
from trueline.models.endpoint.endpoint import Endpoint
from trueline.models.open import open_model, without_key
from trueline.records.types import Message, Sampling, Tool, ToolCall

ASKED = [Message("system", "Be brief."), Message("user", "Where does the river run?")]
SENT = [{"role": m.role, "content": m.content} for m in ASKED]
SAMPLING = Sampling(max_tokens=50, seed=7)
SECRET = "sk-very-secret-0123456789"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back-off a hundred times as fast, and no key of the user's own."""
    monkeypatch.setattr(backoff, "FIRST_S", 0.005)
    monkeypatch.delenv("TRUELINE_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def endpoint(server: Server, **options: object) -> Endpoint:
    return Endpoint(server.url, "test", **options)  # type: ignore[arg-type]


async def test_what_is_sent_and_what_comes_back() -> None:
    sampling = Sampling(0.3, 0.9, 50, 7, ("river",), logprobs=True)
    async with Server() as server:
        model = endpoint(server)
        drawn = await model.generate(ASKED, sampling, n=3, first=2)
        await model.close()
    (body,) = server.bodies
    assert body == {
        "model": "test",
        "messages": SENT,
        "temperature": 0.3,
        "top_p": 0.9,
        "n": 3,
        "max_tokens": 50,
        "seed": 9,
        "stop": ["river"],
        "logprobs": True,
    }
    texts = [answer(SENT, 9 + i).partition("river")[0] for i in range(3)]
    assert [c.text for c in drawn] == texts
    assert [c.completion_tokens for c in drawn] == [len(text.split()) for text in texts]
    assert [c.logprob for c in drawn] == [-0.5 * len(text.split()) for text in texts]
    assert len(server.received) == 1


async def test_reasoning_and_tool_calls_are_read_and_tool_turns_are_sent() -> None:
    calls = [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]
    said = {"role": "assistant", "content": None, "reasoning_content": "hm", "tool_calls": calls}
    history = [
        *ASKED,
        Message("assistant", "", tool_calls=(ToolCall("c0", "look", '{"a": 1}'),)),
        Message("tool", "nothing there", tool_call_id="c0"),
    ]
    async with Server(reply=lambda _body, _i: said) as server:
        model = endpoint(server)
        (drawn,) = await model.generate(history, SAMPLING)
        await model.close()
    assert drawn.message == Message(
        "assistant", "", reasoning="hm", tool_calls=(ToolCall("c1", "look", "{}"),)
    )
    function = {"name": "look", "arguments": '{"a": 1}'}
    sent = server.bodies[0]["messages"]
    assert sent[2]["tool_calls"] == [{"id": "c0", "type": "function", "function": function}]
    assert sent[3] == {"role": "tool", "content": "nothing there", "tool_call_id": "c0"}


async def test_tools_are_sent_as_functions_and_their_calls_read() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"a":1}'}}
    said = {"role": "assistant", "content": None, "tool_calls": [call]}
    tool = Tool("look", "Looks around.", '{"type": "object", "properties": {"a": {}}}')
    async with Server(reply=lambda _body, _i: said) as server:
        model = endpoint(server)
        (drawn,) = await model.generate(ASKED, SAMPLING, tools=[tool, Tool("wait", "Waits.")])
        await model.close()
    assert drawn.message.tool_calls == (ToolCall("c1", "look", '{"a":1}'),)
    parameters = [{"type": "object", "properties": part} for part in ({"a": {}}, {})]
    assert server.bodies[0]["tools"] == [
        {"type": "function", "function": {"name": name, "description": text, "parameters": each}}
        for (name, text), each in zip(
            [("look", "Looks around."), ("wait", "Waits.")], parameters, strict=True
        )
    ]


async def test_a_server_that_refuses_tools_does_not_support_them() -> None:
    async with Server(faults=["400"] * 2) as server:
        model = endpoint(server)
        with pytest.raises(Unsupported, match="refuses tools: HTTP 400"):
            await model.generate(ASKED, SAMPLING, n=2, tools=[Tool("look", "Looks around.")])
        await model.close()
    assert len(server.received) == 2


async def test_a_begun_turn_is_refused_before_anything_is_sent() -> None:
    async with Server() as server:
        model = endpoint(server)
        with pytest.raises(Unsupported, match="continue no begun turn"):
            await model.generate(ASKED, SAMPLING, start="Sure")
        await model.close()
    assert not server.received


async def test_no_more_than_the_concurrency_is_in_flight() -> None:
    async with Server(latency=0.02) as server:
        model = endpoint(server, concurrency=4)
        await asyncio.gather(
            *(model.generate([Message("user", str(i))], SAMPLING) for i in range(20))
        )
        await model.close()
    assert server.most_busy == 4


@pytest.mark.parametrize("fault", ["408", "409", "429", "500", "503", "drop"])
async def test_what_passes_is_tried_again(fault: str) -> None:
    async with Server(faults=[fault, fault]) as server:
        model = endpoint(server)
        (drawn,) = await model.generate(ASKED, SAMPLING)
        await model.close()
    assert drawn.text == answer(SENT, 7)
    assert len(server.received) == 3


@pytest.mark.parametrize(
    "fault", ["html", "half", "empty", "error", "no-message", "deep", "not-utf8"]
)
async def test_a_malformed_reply_is_tried_again_and_then_an_error(fault: str) -> None:
    async with Server(faults=[fault] * 4) as server:
        model = endpoint(server, retries=2)
        with pytest.raises(ModelError, match=r"the reply .*tries: 3") as caught:
            await model.generate(ASKED, SAMPLING)
        assert type(caught.value) is ModelError
        (drawn,) = await model.generate(ASKED, SAMPLING)
        await model.close()
    assert drawn.text == answer(SENT, 7)


@pytest.mark.parametrize("said", ["NaN", "-Infinity", "1e999", "null", '"-0.5"', "-1e999"])
def test_a_log_probability_that_is_no_number_is_no_answer(said: str) -> None:
    tokens = (
        f'{{"content": [{{"token": "a", "logprob": -0.5}}, {{"token": "b", "logprob": {said}}}]}}'
    )
    raw = f'{{"choices": [{{"message": {{"content": "a b"}}, "logprobs": {tokens}}}]}}'
    with pytest.raises(Malformed):
        completions(raw.encode(), 1, True)


async def test_fewer_choices_than_asked_the_rest_is_asked_for() -> None:
    async with Server(faults=["short", "short"]) as server:
        model = endpoint(server)
        drawn = await model.generate(ASKED, SAMPLING, n=4)
        await model.close()
    assert [c.text for c in drawn] == [answer(SENT, 7 + i) for i in range(4)]
    assert [(b["n"], b["seed"]) for b in server.bodies] == [(4, 7), (1, 10)]


async def test_a_server_that_refuses_several_is_asked_for_one_at_a_time() -> None:
    async with Server(alone=True) as server:
        model = endpoint(server)
        for _ in range(2):
            drawn = await model.generate(ASKED, SAMPLING, n=3)
            assert [c.text for c in drawn] == [answer(SENT, 7 + i) for i in range(3)]
        assert [b["n"] for b in server.bodies] == [3, 1, 1, 1, 1, 1, 1]
        server.faults = ["400"]  # about this conversation, not about n
        with pytest.raises(ModelError, match="refused with 400"):
            await model.generate(ASKED, SAMPLING)
        await model.close()


async def test_log_probabilities_that_a_server_never_gives_are_not_paid_for_again() -> None:
    async with Server(logprobs=False) as server:
        model = endpoint(server)
        with pytest.raises(Fatal, match="gives no log-probabilities"):
            await model.generate(ASKED, Sampling(max_tokens=5, logprobs=True))
        await model.close()
    assert len(server.received) == 1


async def test_a_reply_without_end_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trueline.models.endpoint.http.LONGEST_REPLY", 10_000)
    async with Server(reply=lambda _body, _i: "x" * 20_000) as server:
        model = endpoint(server)
        with pytest.raises(ModelError, match="more than 10,000 bytes"):
            await model.generate(ASKED, SAMPLING)
        await model.close()
    assert len(server.received) == 1


async def test_a_server_that_hangs_is_left() -> None:
    async with Server(faults=["hang", "hang"]) as server:
        model = endpoint(server, retries=1, total_s=0.1)
        with pytest.raises(Transient, match="no answer in time"):
            await model.generate(ASKED, SAMPLING)
        await model.close()


async def test_nobody_listens() -> None:
    async with Server() as server:
        model = endpoint(server, retries=1)
    with pytest.raises(Transient, match="connection failed"):
        await model.generate(ASKED, SAMPLING)
    await model.close()


@pytest.mark.parametrize(
    ("status", "told"),
    [("401", "API_KEY"), ("402", "no credit"), ("403", "may not"), ("404", "no such")],
)
async def test_what_every_call_would_meet_stops_at_once(status: str, told: str) -> None:
    async with Server(faults=[status]) as server:
        model = endpoint(server)
        with pytest.raises(Fatal, match=told):
            await model.generate(ASKED, SAMPLING)
        await model.close()
    assert len(server.received) == 1


@pytest.mark.parametrize("hedge_s", [None, 10.0])
async def test_after_a_401_nothing_more_is_sent(hedge_s: float | None) -> None:
    async with Server(faults=["401"] * 1000, latency=0.01) as server:
        model = endpoint(server, concurrency=4, hedge_s=hedge_s)
        asked = [model.generate([Message("user", str(i))], SAMPLING) for i in range(1000)]
        met = await asyncio.gather(*asked, return_exceptions=True)
        with pytest.raises(Fatal, match="API_KEY"):
            await model.generate(ASKED, SAMPLING)
        await model.close()
    assert {type(error) for error in met} == {Fatal}
    assert len(server.received) == 4


async def test_a_bad_request_is_that_calls_own_and_gives_the_servers_reason() -> None:
    async with Server(faults=["400"]) as server:
        model = endpoint(server)
        with pytest.raises(ModelError, match="refused with 400") as caught:
            await model.generate(ASKED, SAMPLING)
        await model.close()
    assert type(caught.value) is ModelError
    assert len(server.received) == 1


async def test_a_403_after_an_answer_or_by_a_moderation_is_that_calls_own() -> None:
    """Some hosts refuse a text that way, and the other rows are not at fault."""
    flagged = {"message": "your input was flagged"}
    metadata = {"metadata": {"reasons": ["x"], "flagged_input": "…"}}
    async with Server(faults=["403"], complaint=flagged | metadata) as server:
        model = endpoint(server)
        with pytest.raises(ModelError, match=r"HTTP 403: your input was flagged$") as caught:
            await model.generate(ASKED, SAMPLING)
        assert type(caught.value) is ModelError
        await model.close()
    async with Server(faults=["ok", "403", "ok", "401"], complaint=flagged) as server:
        model = endpoint(server)
        await model.generate(ASKED, SAMPLING)
        with pytest.raises(ModelError, match="it says: your input was flagged") as caught:
            await model.generate(ASKED, SAMPLING)
        assert type(caught.value) is ModelError
        await model.generate(ASKED, SAMPLING)
        with pytest.raises(Fatal, match=r"set TRUELINE_API_KEY$"):
            await model.generate(ASKED, SAMPLING)
        await model.close()


async def test_an_exhausted_account_is_not_waited_for() -> None:
    async with Server(faults=["429"], complaint={"code": "insufficient_quota"}) as server:
        model = endpoint(server)
        with pytest.raises(Fatal, match="no credit"):
            await model.generate(ASKED, SAMPLING)
        await model.close()
    assert len(server.received) == 1


@pytest.mark.parametrize(("after", "told"), [("1000000000", "1000000000 s"), ("inf", "inf s")])
async def test_a_wait_that_nobody_would_wait_ends_the_call_for_now(after: str, told: str) -> None:
    async with Server(faults=["429"], retry_after=after) as server:
        model = endpoint(server)
        with pytest.raises(Transient, match=f"tries: 1, asked to wait {told}"):
            await model.generate(ASKED, SAMPLING)
        await model.close()


@pytest.mark.parametrize("after", ["0", "-5", "nan", "soon"])
async def test_a_wait_that_is_none_still_backs_off(
    after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "FIRST_S", 0.05)
    async with Server(faults=["429"] * 3, retry_after=after) as server:
        model = endpoint(server)
        started = time.monotonic()
        await model.generate(ASKED, SAMPLING)
        assert time.monotonic() - started >= 0.05 + 0.1 + 0.2
        await model.close()


async def until(true: Callable[[], bool]) -> None:
    """Returns when it is true, however busy the machine is."""
    async with asyncio.timeout(30):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_a_host_that_refuses_many_and_says_how_long_rests_for_all_its_clients() -> None:
    async with Server(faults=["429"] * 12, retry_after="0.4") as server:
        model, other = endpoint(server), endpoint(server)
        shared, now = adaptive_limit.join_host(model.host, 1), asyncio.get_running_loop().time

        def sent(wave: str) -> asyncio.Future[list[list[Completion]]]:
            asked = [[Message("user", f"{wave}{i}")] for i in range(6)]
            return asyncio.gather(*(model.generate(m, SAMPLING) for m in asked))

        first = sent("a")
        await until(lambda: 1 < shared.limit < shared.most)  # all of it has been heard
        second = sent("b")
        await until(lambda: shared.resting > now())
        rested = shared.resting
        assert rested - now() < 0.4 * 1.1
        await other.generate([Message("user", "another")], SAMPLING)
        assert now() >= rested
        await asyncio.gather(first, second)
        adaptive_limit.leave_host(model.host, asyncio.get_running_loop())
        await model.close()
        await other.close()
    assert len(server.answered) == 13


async def test_one_refusal_holds_back_its_own_call_alone() -> None:
    async with Server(faults=["429"], retry_after="0.4") as server:
        model = endpoint(server)
        first = asyncio.create_task(model.generate(ASKED, SAMPLING))
        await asyncio.sleep(0.1)
        for i in range(5):
            await model.generate([Message("user", str(i))], SAMPLING)
        assert not first.done()
        await first
        await model.close()
    assert len(server.received) == 7


def test_retry_after_is_a_number_or_a_date() -> None:
    assert backoff.retry_after("2.5") == 2.5
    assert backoff.retry_after(None) is None
    assert backoff.retry_after("soon") is None
    later = datetime.now(UTC) + timedelta(seconds=30)
    assert backoff.retry_after(format_datetime(later, usegmt=True)) == pytest.approx(30, abs=2)
    assert backoff.retry_after("Thu, 01 Jan 1970 00:00:00 GMT") == 0.0
    assert backoff.retry_after("Thu, 01 Jan 99999999999999999999 00:00:00 GMT") is None


def test_the_wait_doubles_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_S", 1.0)
    waits = [backoff.delay(tries, None) for tries in range(1, 9)]
    assert all(2**i <= wait <= 2**i * 1.25 + 0.05 for i, wait in enumerate(waits[:6]))
    assert max(waits) <= backoff.LONGEST_S * 1.25 + 0.05
    assert backoff.delay(1, 3.0) >= 3.0


async def test_many_calls_get_through_a_server_that_limits_them() -> None:
    async with Server(limit=3, latency=0.002, rate_500=0.1) as server:
        model = endpoint(server, concurrency=16, retries=12)
        asked = [[Message("user", str(i))] for i in range(60)]
        drawn = await asyncio.gather(*(model.generate(m, SAMPLING) for m in asked))
        await model.close()
    assert len(drawn) == len(set(server.answered)) == len(server.answered) == 60
    assert server.refused["429"] > 0


async def test_the_key_goes_to_the_server_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TRUELINE_API_KEY", SECRET)
    path = tmp_path / "l.sqlite"
    caplog.set_level("DEBUG")
    told: list[str] = []
    faults = ["ok", "400", "500", "ok", "401"]
    async with Server(faults=faults) as server, await open_ledger(path, run="r") as ledger:
        model = open_model(f"{server.url}#test", ledger)
        for i in range(4):
            try:
                await model.generate([Message("user", str(i))], SAMPLING)
            except ModelError as error:
                told.append(f"{error!r} {error.__cause__!r} {error.__context__!r}")
        told.append(model.identity)
        await model.close()
    assert all(h["Authorization"] == f"Bearer {SECRET}" for h in server.headers)
    assert len(told) == 3
    assert SECRET not in "".join(told) + caplog.text
    for file in tmp_path.iterdir():
        assert SECRET.encode() not in file.read_bytes()


async def test_a_server_that_repeats_the_key_does_not_get_it_into_the_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRUELINE_API_KEY", SECRET)
    async with Server(faults=["400"], complaint={"message": f"bad key {SECRET}!"}) as server:
        model = endpoint(server)
        with pytest.raises(ModelError, match=r"HTTP 400: bad key \[key\]!$"):
            await model.generate(ASKED, SAMPLING)
        await model.close()
    secrets = http.address("http://me:p%40ss@host/v1").secrets
    assert reason(b'{"error": "p@ss of me"}', secrets) == ("", "[key] of me")
    alone = http.address(f"http://{SECRET}@host/v1").secrets
    assert reason(f'{{"error": "no {SECRET}"}}'.encode(), alone) == ("", "no [key]")


def test_no_secret_is_shown_where_an_address_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://me:{SECRET}@proxy:1")
    monkeypatch.setenv("TRUELINE_API_KEY", SECRET)
    for name in ("host", f"me:{SECRET}@host"):
        shown = f"{http.address(f'http://{name}/v1')!r}"
        assert shown == "Address('http://host/v1')"
    assert without_key(f"https://me:{SECRET}@{SECRET}@host/v1#org/m@2") == "https://host/v1#org/m@2"


@pytest.mark.parametrize("form", ["me:{}/x@host", "me:{}@h\u2100st", "me:{}@[host", "me:{}@"])
def test_a_password_that_breaks_its_url_is_not_told(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"http://{form.format(SECRET)}"
    for name in (f"{url}/v1#m", f"htp://me:{SECRET}@host/v1#m"):
        with pytest.raises(InputError) as caught:
            open_model(name)
        assert SECRET not in str(caught.value)
    monkeypatch.setenv("http_proxy", url)
    with pytest.raises(InputError, match="HTTP_PROXY is not of the form") as caught:
        http.address("http://outside.example/v1")
    assert SECRET not in str(caught.value)


def test_a_key_of_several_lines_is_told_and_one_of_blanks_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRUELINE_API_KEY", f"{SECRET}\nsecond")
    with pytest.raises(InputError, match="not one line of text"):
        http.address("http://host/v1")
    monkeypatch.setenv("TRUELINE_API_KEY", " \n")
    assert http.address("http://host/v1").authorization == ""


@pytest.mark.parametrize("host", ["a..b", "a" * 64, "ü..b"])
async def test_a_host_that_cannot_be_looked_up_is_told_at_once(host: str) -> None:
    model = Endpoint(f"http://{host}/v1", "m")
    with pytest.raises(Fatal, match="none that can be looked up"):
        await model.generate(ASKED, SAMPLING)
    await model.close()


def test_a_servers_words_are_shortened_and_cannot_move_a_terminal() -> None:
    said = '{"error": {"code": 7, "message": "\\u001b[2J\\n a\\u202eb\\u0000 ' + "x" * 2**20 + '"}}'
    code, words = reason(said.encode(), [])
    assert (code, len(words), words[:12]) == ("7", 201, "[2J a b xxxx")
    for none in (b"<html>", b"[1]", b'{"error": {}}', b'{"error": ' + b"[" * 100_000, b"\xff"):
        assert reason(none, []) == ("", "")


async def test_the_openai_key_goes_to_openai_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    async with Server() as server:
        model = endpoint(server)
        await model.generate(ASKED, SAMPLING)
        await model.close()
    assert "Authorization" not in server.headers[0]
    assert http.address("https://api.openai.com/v1").authorization == f"Bearer {SECRET}"
    assert http.address("https://openai.com.example/v1").authorization == ""


async def test_a_redirect_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUELINE_API_KEY", SECRET)
    async with Server() as other:
        away = other.url.replace("127.0.0.1", "localhost") + "/chat/completions"
        async with Server(faults=[f"redirect:{away}"]) as server:
            model = endpoint(server)
            with pytest.raises(Fatal, match="redirects to localhost"):
                await model.generate(ASKED, SAMPLING)
            await model.close()
    assert other.received == []


@pytest.mark.parametrize(
    ("to", "told"), [("http://[x", "to another path;"), ("http://a\x1bb/", "to ab;")]
)
async def test_a_redirect_to_nowhere_is_a_redirect(to: str, told: str) -> None:
    async with Server(faults=[f"redirect:{to}"]) as server:
        model = endpoint(server)
        with pytest.raises(Fatal, match=told):
            await model.generate(ASKED, SAMPLING)
        await model.close()


def test_identity_is_host_port_path_model_and_revision() -> None:
    one = Endpoint("https://me:pass@host:81/a/v1/", "org/m", revision="2")
    assert one.identity == "host:81/a/v1#org/m@2"
    assert http.address("https://me:pass@host").authorization.startswith("Basic ")
    assert Endpoint("http://host:81/a/v1", "org/m").identity == "host:81/a/v1#org/m"


@pytest.mark.parametrize(
    "name",
    [
        "http://#m",
        "http://host/v1",
        "https://host/v1?key=1#m",
        "http://h:99999/v1#m",
        "http://[h#m",
    ],
)
def test_a_name_that_is_no_endpoint_is_told(name: str) -> None:
    with pytest.raises(InputError, match="http"):
        open_model(name)


async def test_a_schema_is_sent_and_a_server_that_refuses_it_is_told_apart() -> None:
    schema = '{"type":"object","properties":{"safe":{"type":"boolean"}}}'
    sampling = Sampling(max_tokens=5, schema=schema)
    async with Server(faults=["ok", "400"]) as server:
        model = endpoint(server)
        await model.generate(ASKED, sampling)
        with pytest.raises(Unsupported, match="refuses a JSON schema: HTTP 400: refused with 400"):
            await model.generate(ASKED, sampling)
        await model.generate(ASKED, SAMPLING)
        await model.close()
    form = server.bodies[0]["response_format"]
    assert form["type"] == "json_schema"
    assert form["json_schema"]["schema"] == msgspec.json.decode(schema)
    assert "response_format" not in server.bodies[2]


async def test_a_server_that_names_the_other_field_gets_its_bound_there() -> None:
    told = {"message": "Unsupported parameter: use 'max_completion_tokens' instead."}
    async with Server(faults=["400"], complaint=told) as server:
        model = endpoint(server)
        for _ in range(2):
            await model.generate(ASKED, SAMPLING, n=2)
        await model.close()
    fields = [{"max_tokens", "max_completion_tokens"} & body.keys() for body in server.bodies]
    assert fields == [{"max_tokens"}, {"max_completion_tokens"}, {"max_completion_tokens"}]
    assert [body["n"] for body in server.bodies] == [2, 2, 2]


CANNED = b'{"choices": [{"message": {"content": "by the proxy"}}]}'


async def test_the_proxy_of_the_environment_is_used_and_its_password_is_not_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heads: list[bytes] = []
    status = "200 OK"

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                heads.append(await reader.readuntil(b"\r\n\r\n"))
                length = re.search(rb"(?i)content-length: (\d+)", heads[-1])
                assert length is not None
                await reader.readexactly(int(length[1]))
                head = f"HTTP/1.1 {status}\r\nContent-Length: {len(CANNED)}\r\n\r\n"
                writer.write(head.encode() + CANNED)
        writer.close()

    async with await asyncio.start_server(proxy, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        monkeypatch.setenv("http_proxy", f"http://me:{SECRET}@127.0.0.1:{port}")
        monkeypatch.setenv("no_proxy", "inside.example")
        model = Endpoint("http://outside.example/v1", "m")
        for _ in range(3):
            (drawn,) = await model.generate(ASKED, SAMPLING)
            assert drawn.text == "by the proxy"
        status = "407 Proxy Authentication Required"
        with pytest.raises(Fatal, match="HTTP 407: the proxy wants") as caught:
            await model.generate(ASKED, SAMPLING)
        assert SECRET not in f"{caught.value!r} {caught.value.__context__!r} {model.identity}"
        await model.close()
    assert heads[0].startswith(b"POST http://outside.example/v1/chat/completions")
    assert base64.b64encode(f"me:{SECRET}".encode()) in heads[0]
    assert http.address("http://inside.example/v1").proxy is None
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1")
    with pytest.raises(InputError, match="names a socks5 proxy"):
        http.address("http://outside.example/v1")


async def test_connections_are_kept_and_used_again() -> None:
    opened = 0

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1
        back, forth = await asyncio.open_connection("127.0.0.1", server.port)
        await asyncio.gather(_pour(reader, forth), _pour(back, writer))

    async with Server() as server, await asyncio.start_server(relay, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        model = Endpoint(f"http://127.0.0.1:{port}/v1", "m", concurrency=3)
        for start in range(0, 60, 20):
            asked = [[Message("user", str(start + i))] for i in range(20)]
            await asyncio.gather(*(model.generate(m, SAMPLING) for m in asked))
        await model.close()
    assert len(server.answered) == 60
    assert opened <= 3


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while part := await reader.read(65536):
        writer.write(part)
    writer.close()


async def test_with_hedging_a_hanging_request_is_sent_again_and_both_are_booked(
    tmp_path: Path,
) -> None:
    path = tmp_path / "l.sqlite"
    async with Server(faults=["hang"]) as server, await open_ledger(path, run="r") as ledger:
        model = endpoint(server, ledger=ledger, hedge_s=0.05)
        (drawn,) = await model.generate(ASKED, SAMPLING)
        await model.generate([Message("user", "quick")], SAMPLING)
        await model.close()
    assert drawn.text == answer(SENT, 7)
    assert len(server.received) == 3
    (spend,) = summary(path)
    assert (spend.calls, spend.attempts, spend.failures) == (2, 3, {"cancelled": 1})


async def test_a_hedged_request_that_fails_twice_is_tried_again_like_any_other() -> None:
    async with Server(faults=["500", "500"], latency=0.02) as server:
        model = endpoint(server, hedge_s=0.001)
        (drawn,) = await model.generate(ASKED, SAMPLING)
        await model.close()
    assert drawn.text == answer(SENT, 7)


async def test_a_hedged_call_that_is_cancelled_before_it_is_sent_leaves_nothing_behind() -> None:
    async with Server(latency=0.05) as server:
        model = endpoint(server, concurrency=1, hedge_s=10)
        first = asyncio.create_task(model.generate(ASKED, SAMPLING))
        await asyncio.sleep(0.01)
        before = asyncio.all_tasks()
        second = asyncio.create_task(model.generate(ASKED, SAMPLING))
        await asyncio.sleep(0.01)
        second.cancel()
        await asyncio.wait([second])
        assert asyncio.all_tasks() <= before
        await first
        await model.close()


async def test_likelihoods_are_unsupported() -> None:
    with pytest.raises(Unsupported):
        await Endpoint("http://host/v1", "m").loglikelihood(ASKED, ["a"])


def test_one_endpoint_serves_one_event_loop_after_another() -> None:
    async def ask(model: Endpoint, server: Server) -> None:
        async with server:
            model._to = http.address(server.url)
            try:
                await model.generate(ASKED, SAMPLING)
            finally:
                await model.close()

    model = Endpoint("http://127.0.0.1:9/v1", "test")
    for _ in range(2):
        asyncio.run(ask(model, Server()))
    with pytest.raises(Fatal):
        asyncio.run(ask(model, Server(faults=["402"])))
    asyncio.run(ask(model, Server()))  # the account may have been filled up by now


# ---- with the ledger -------------------------------------------------------------------------


async def test_samples_that_were_paid_for_are_not_asked_for_again(tmp_path: Path) -> None:
    async with Server() as server, await open_ledger(tmp_path / "l.sqlite", run="r") as ledger:
        model = open_model(f"{server.url}#test", ledger)
        two = await model.generate(ASKED, SAMPLING, n=2)
        five = await model.generate(ASKED, SAMPLING, n=5)
        middle = await model.generate(ASKED, SAMPLING, n=2, first=1)
        await model.close()
    assert [(b["n"], b["seed"]) for b in server.bodies] == [(2, 7), (3, 9)]
    assert [c.text for c in five] == [answer(SENT, 7 + i) for i in range(5)]
    assert (five[:2], five[1:3]) == (two, middle)


async def test_every_try_is_booked(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    faults = ["429", "html", "short"]
    async with Server(faults=faults) as server, await open_ledger(path, run="r") as ledger:
        model = open_model(f"{server.url}#test", ledger)
        drawn = await model.generate(ASKED, SAMPLING, n=3)
        await model.close()
    (spend,) = summary(path)
    assert (spend.attempts, spend.calls, spend.answers) == (4, 2, 3)
    assert spend.failures == {"429": 1, "malformed": 1}
    assert spend.model == f"127.0.0.1:{server.port}/v1#test"
    words = sum(len(c.text.split()) for c in drawn)
    # The malformed reply may have been paid for: it counts at its bound.
    assert spend.completion_tokens == words + 3 * 50
    assert len(server.received) == 4


async def test_a_server_that_reports_no_usage_counts_at_the_bound(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    async with Server(usage=False) as server, await open_ledger(path, run="r") as ledger:
        model = open_model(f"{server.url}#test", ledger)
        await model.generate(ASKED, SAMPLING)
        await model.close()
    (spend,) = summary(path)
    assert (spend.completion_tokens, spend.prompt_tokens > 30) == (50, True)


@pytest.mark.parametrize(
    "charge",
    [
        {"prompt_tokens": -(10**6), "completion_tokens": 1},
        {"prompt_tokens": 1, "completion_tokens": 10**30},
        {"prompt_tokens": 1, "completion_tokens": None},
        {"total_tokens": 3},
        "much",
    ],
)
async def test_a_charge_that_cannot_be_true_counts_at_the_bound_and_keeps_the_answer(
    tmp_path: Path, charge: object
) -> None:
    path = tmp_path / "l.sqlite"
    async with Server(charge=charge) as server, await open_ledger(path, run="r") as ledger:
        model = open_model(f"{server.url}#test", ledger)
        (drawn,) = await model.generate(ASKED, SAMPLING)
        await model.close()
    assert drawn.text == answer(SENT, 7)
    (spend,) = summary(path)
    assert (spend.attempts, spend.completion_tokens, spend.prompt_tokens > 30) == (1, 50, True)


async def test_a_cap_of_100_calls_is_never_passed_whatever_fails(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    asked = [[Message("user", f"question {i}")] for i in range(150)]
    async with Server(rate_429=0.1, rate_500=0.1, rate_html=0.05, latency=0.002) as server:
        for cap, least in ((100, 60), (400, 150)):
            async with await open_ledger(path, run="r", budget=Budget(calls=cap)) as ledger:
                model = open_model(f"{server.url}#test", ledger)
                calls = (model.generate(m, SAMPLING) for m in asked)
                got = await asyncio.gather(*calls, return_exceptions=True)
                await model.close()
            failed = [e for e in got if isinstance(e, BaseException)]
            assert all(isinstance(e, BudgetSpent) for e in failed)
            assert len(got) - len(failed) >= least
            assert len(server.received) <= cap
    assert len(server.answered) == len(set(server.answered)) == 150
