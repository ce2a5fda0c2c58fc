import { describe, expect, it } from "vitest";
import { InputQueue } from "../console/bytes.js";
import { StateReader } from "../state-reader.js";
import { HeldInput } from "./held-input.js";

function held(wait: boolean) {
  const source = new InputQueue();
  let arrivals = 0;
  const input = new HeldInput({ source, wait, arrived: () => arrivals++ });
  const poll = (times: number) => {
    for (let i = 0; i < times; i++) input.noteRead(true);
  };
  return { source, input, poll, arrivals: () => arrivals };
}

it("flows at once when nobody has to listen", () => {
  const { source, input } = held(false);
  source.push("a");
  expect([input.flows, input.available, input.read(), input.available]).toEqual([true, 1, 0x61, 0]);
  input.noteCleared([1, 2]);
  expect(input.available).toBe(0);
});

describe("held input", () => {
  it("waits for eight polls with nothing between them", () => {
    const { source, input, poll, arrivals } = held(true);
    source.push("a");
    for (const interrupt of [() => input.noteRead(false), () => input.noteWrite()]) {
      poll(7);
      interrupt();
    }
    poll(7);
    expect([input.available, arrivals()]).toEqual([0, 1]);
    poll(1);
    expect([input.available, arrivals()]).toEqual([1, 2]);
  });

  it("waits for an enabled interrupt, of which it is told once", () => {
    const { source, input, arrivals } = held(true);
    source.push("a");
    input.listen();
    input.listen();
    expect([input.available, arrivals()]).toEqual([1, 2]);
  });

  it("comes again when it was cleared before a character was read, in order", () => {
    const { source, input } = held(true);
    source.push("abc");
    input.listen();
    input.noteCleared([input.read(), input.read()]);
    expect([input.read(), input.read(), input.read()]).toEqual([0x61, 0x62, 0x63]);
    input.noteHeard();
    input.noteCleared([0x63]);
    expect(input.available).toBe(0);
  });

  it("is held over a restore, as is what was cleared", () => {
    const [before, after] = [held(true), held(true)];
    before.poll(6);
    before.input.noteCleared([0x61]);
    after.input.restore(new StateReader("test", { version: 1, ...before.input.state() }, 1), 16, 0xff);
    after.poll(1);
    expect(after.input.available).toBe(0);
    after.poll(1);
    expect([after.input.available, after.input.read()]).toEqual([1, 0x61]);
    after.input.reset();
    expect(after.input.flows).toBe(false);
  });
});
