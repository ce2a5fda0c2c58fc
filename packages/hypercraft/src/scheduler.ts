import { type Clock, isVirtualClock, type VirtualClock } from "./clock.js";
import { HyperError } from "./error.js";
import { type HostEventLoop, hostEventLoop, Waker } from "./event-loop.js";
import type { VmRunResult } from "./run-result.js";

/** Limits of one run; the member counts `instructionsLeft` down. */
export interface TurnLimits {
  /** Instructions of one slice, or undefined for the member's own choice. */
  readonly slice: number | undefined;
  instructionsLeft: number;
}

/**
 * What one turn did: `ran` some instructions (`long`: with so many exits that it has had its share of the host); found everything `idle` until `deadline` (ns on its clock, maybe
 * Infinity) or a wake-up; is `held` by a promise while its time stands still; or `ended`.
 */
export type TurnOutcome =
  | { readonly kind: "ran"; readonly long?: boolean }
  | { readonly kind: "idle"; readonly deadline: number }
  | { readonly kind: "held"; readonly until: Promise<void> }
  | { readonly kind: "ended"; readonly result: VmRunResult };

/** Something that runs by turns: a VM, or a whole machine in bare mode. */
export interface Schedulable {
  readonly name: string;
  readonly clock: Clock;
  /** Set during a run; called when an idle member may have something to do. */
  onWake: (() => void) | undefined;
  /** How many turns make up a fair share next to other members, whose slices may be longer; default 1. */
  readonly turnsInPass?: number;
  /** Runs one slice of one CPU, synchronously. Does not throw for anything that a guest does. */
  turn(limits: TurnLimits): TurnOutcome;
}

/** How to run. */
export interface RunOptions {
  /** Instructions of one vCPU's slice; default 300 000, or 20 000 when several vCPUs are powered on. */
  readonly slice?: number;
  /** End each member's run with `budget` after exactly so many instructions. */
  readonly maxInstructions?: number;
  /** When everything waits and no deadline is ahead: `wait` for the world (default), or `stop`. */
  readonly onIdle?: "wait" | "stop";
  /** Ends all runs with `stopped`. */
  readonly signal?: AbortSignal;
  readonly eventLoop?: HostEventLoop;
}

// Timers hold at most 2^31 - 1 ms; and a sleep without end still has to keep the process alive.
const LONGEST_SLEEP_MS = 60_000;

const STOPPED: VmRunResult = { kind: "stopped" };
const IDLE: VmRunResult = { kind: "idle" };

function checkLimit(name: string, value: number | undefined): void {
  if (value !== undefined && (!Number.isSafeInteger(value) || value < 1))
    throw new HyperError("InvalidParam", `${name} ${value} is not a positive integer`);
}

/**
 * Runs members by turns, in their order, until each has ended. After each pass it yields to the host's event
 * loop. When nothing can run it sleeps until the next deadline or wake-up; a virtual clock whose members all
 * wait jumps to their next deadline instead.
 *
 * Rejects with BadState for a member that is being run already, InvalidParam for a limit that is not a positive
 * integer.
 */
export async function runTogether<S extends Schedulable>(
  members: readonly S[],
  options: RunOptions = {},
): Promise<Map<S, VmRunResult>> {
  checkLimit("slice", options.slice);
  checkLimit("maxInstructions", options.maxInstructions);
  for (const member of members) {
    if (member.onWake !== undefined) throw new HyperError("BadState", `${member.name} is being run already`);
  }
  const waker = new Waker();
  for (const member of members) member.onWake = waker.signal;
  options.signal?.addEventListener("abort", waker.signal);
  try {
    return await loop(members, options, waker);
  } finally {
    options.signal?.removeEventListener("abort", waker.signal);
    for (const member of members) member.onWake = undefined;
  }
}

async function loop<S extends Schedulable>(
  members: readonly S[],
  options: RunOptions,
  waker: Waker,
): Promise<Map<S, VmRunResult>> {
  const eventLoop = options.eventLoop ?? hostEventLoop;
  const results = new Map<S, VmRunResult>();
  const active = new Map<S, TurnLimits>();
  const instructionsLeft = options.maxInstructions ?? Number.POSITIVE_INFINITY;
  for (const member of members) active.set(member, { slice: options.slice, instructionsLeft });
  const endAll = (result: VmRunResult) => {
    for (const member of active.keys()) results.set(member, result);
    return results;
  };

  while (active.size > 0) {
    if (options.signal?.aborted) return endAll(STOPPED);
    waker.clear();
    let progress = false;
    const idle = new Map<S, number>();
    const held: Promise<void>[] = [];
    for (const [member, limits] of active) {
      const outcome = takeTurns(member, limits);
      if (outcome.kind === "idle") idle.set(member, outcome.deadline);
      else progress = true;
      if (outcome.kind === "held") held.push(outcome.until);
      if (outcome.kind !== "ended") continue;
      results.set(member, outcome.result);
      active.delete(member);
    }
    if (held.length > 0) await Promise.race([Promise.all(held), waker.wait()]);
    if (jump(active.keys(), idle)) progress = true;
    if (progress) {
      await eventLoop.yield();
      continue;
    }
    const waitMs = timeToDeadline(idle);
    if (waitMs === Number.POSITIVE_INFINITY && options.onIdle === "stop") {
      // What happened since the turns began may have ended the wait.
      await eventLoop.yield();
      if (waker.signalled) continue;
      return endAll(IDLE);
    }
    const sleep = eventLoop.sleep(Math.min(waitMs, LONGEST_SLEEP_MS));
    await Promise.race([sleep.done, waker.wait()]);
    sleep.cancel();
  }
  return results;
}

/** A member's turns of a pass. */
function takeTurns(member: Schedulable, limits: TurnLimits): TurnOutcome {
  // Slices of a given length are as long for all.
  const turns = limits.slice === undefined ? (member.turnsInPass ?? 1) : 1;
  let outcome = member.turn(limits);
  for (let taken = 1; taken < turns && outcome.kind === "ran" && !outcome.long; taken++)
    outcome = member.turn(limits);
  return outcome;
}

/** Advances each virtual clock all of whose members are idle. Whether any did. */
function jump(active: Iterable<Schedulable>, idle: ReadonlyMap<Schedulable, number>): boolean {
  const targets = new Map<VirtualClock, number>();
  const busy = new Set<VirtualClock>();
  for (const member of active) {
    const { clock } = member;
    if (!isVirtualClock(clock)) continue;
    const deadline = idle.get(member);
    if (deadline === undefined) busy.add(clock);
    else targets.set(clock, Math.min(deadline, targets.get(clock) ?? Number.POSITIVE_INFINITY));
  }
  let jumped = false;
  for (const [clock, deadline] of targets) {
    if (busy.has(clock) || deadline === Number.POSITIVE_INFINITY) continue;
    clock.advanceTo(deadline);
    jumped = true;
  }
  return jumped;
}

/** Milliseconds, rounded up, until the first deadline of idle members with a real clock; maybe Infinity. */
function timeToDeadline(idle: ReadonlyMap<Schedulable, number>): number {
  let nearest = Number.POSITIVE_INFINITY;
  for (const [member, deadline] of idle) {
    if (!isVirtualClock(member.clock)) nearest = Math.min(nearest, deadline - member.clock.now());
  }
  return Math.max(0, Math.ceil(nearest / 1e6));
}
