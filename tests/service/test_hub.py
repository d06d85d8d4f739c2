"""News of jobs: who watches hears of every change, from whatever thread, and nobody else."""

from __future__ import annotations

import asyncio
import threading

from samplemind.service.hub import Hub


def test_news_from_another_thread_wake_who_watches() -> None:
    async def scenario() -> list[bool]:
        hub = Hub()
        with hub.watching("a") as changed:
            waiting = asyncio.create_task(changed(30.0))
            await asyncio.sleep(0)
            threading.Thread(target=hub.tell, args=[["b", "a"]]).start()
            return [await waiting, await changed(0.01)]

    assert asyncio.run(scenario()) == [True, False]


def test_news_between_looking_and_waiting_are_not_lost() -> None:
    async def scenario() -> bool:
        hub = Hub()
        with hub.watching("a") as changed:
            hub.tell(["a"])
            await asyncio.sleep(0)
            return await changed(30.0)

    assert asyncio.run(scenario())


def test_all_who_watch_are_woken_and_forgotten_when_they_leave() -> None:
    async def scenario() -> list[bool]:
        hub = Hub()
        with hub.watching("a") as first, hub.watching("a") as second, hub.watching("b") as other:
            hub.tell(["a"])
            woken = [await first(30.0), await second(30.0), await other(0.01)]
        assert hub._watchers == {}
        return woken

    assert asyncio.run(scenario()) == [True, True, False]


def test_news_for_a_loop_that_has_ended_disturb_nobody() -> None:
    hub = Hub()

    async def leave() -> object:
        watching = hub.watching("a")
        watching.__enter__()
        return watching

    kept = asyncio.run(leave())
    hub.tell(["a"])
    assert kept
