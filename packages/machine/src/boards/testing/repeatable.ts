import { expect } from "vitest";
import { snapshotHash } from "../../snapshot/container.js";
import { DeterministicClock } from "../../time/clock.js";
import type { BoardMachine, BoardVCpu } from "../common/machine.js";
import type { NamedBytes } from "../common/options.js";
import { testConsole } from "./test-console.js";

export type TestConsole = ReturnType<typeof testConsole>;
/** What of a machine does not depend on its processors. */
type AnyMachine = Pick<BoardMachine<BoardVCpu>, "run" | "statistics" | "snapshot" | "save">;
type Start = (console: TestConsole) => Promise<AnyMachine>;

const SOME_INSTRUCTIONS = 2_000_000;

/** Two machines that are made alike do the same, to the byte and the instruction. */
export async function expectSameTwice(start: Start): Promise<void> {
  const run = async () => {
    const console = testConsole();
    const machine = await start(console);
    expect(await machine.run({ maxInstructions: SOME_INSTRUCTIONS })).toEqual({ kind: "budget" });
    const { instructions } = machine.statistics();
    return { text: console.text, instructions, hash: snapshotHash(machine.snapshot()) };
  };
  const runs = await Promise.all([run(), run()]);
  expect(runs[0]).toEqual(runs[1]);
  expect(runs[0]?.instructions).toBe(SOME_INSTRUCTIONS);
}

export interface Continuation<M extends AnyMachine> {
  readonly start: Start;
  readonly restore: (
    file: NamedBytes,
    host: { readonly console: TestConsole; readonly clock: DeterministicClock },
  ) => Promise<M>;
  /** Instructions before the snapshot, and in all. */
  readonly at: number;
  readonly stop: number;
}

/** A machine that goes on from a snapshot does what one does that was not interrupted. Gives the one that went on. */
export async function expectContinuation<M extends AnyMachine>({
  start,
  restore,
  at,
  stop,
}: Continuation<M>): Promise<{ readonly machine: M; readonly console: TestConsole }> {
  const whole = testConsole();
  const uninterrupted = await start(whole);
  const end = await uninterrupted.run({ maxInstructions: stop });
  const before = testConsole();
  const first = await start(before);
  await first.run({ maxInstructions: at });
  const file = { name: "test.snapshot", bytes: await first.save() };
  const console = testConsole();
  const machine = await restore(file, { console, clock: new DeterministicClock(10) });
  expect(await machine.run({ maxInstructions: stop - at })).toEqual(end);
  expect(before.text + console.text).toBe(whole.text);
  expect(snapshotHash(machine.snapshot())).toBe(snapshotHash(uninterrupted.snapshot()));
  return { machine, console };
}
