import type { VmExitKind } from "@hypercraft/hypercraft";
import type { ColdCounts, HotCounts, MachineStatistics, TierCounts } from "../machine/contract.js";

/** Counts of a run, over all its machines: a reset makes a new one. */
export interface RunStatistics {
  readonly instructions: number;
  /** Seconds from the first instruction to the last, waiting included. */
  readonly seconds: number;
  readonly exits: Readonly<Partial<Record<VmExitKind, number>>>;
  /** Finer counts, under names of the architecture. */
  readonly exitDetails: Readonly<Record<string, number>>;
  readonly tlbFills: number;
  readonly cold: ColdCounts;
  /** What compiled code did; nothing where everything was interpreted. */
  readonly hot?: HotCounts;
}

/** The sum of the counts of some machines. */
export function addStatistics(machines: readonly MachineStatistics[], seconds: number): RunStatistics {
  const sum = (of: (one: MachineStatistics) => number) => machines.reduce((total, one) => total + of(one), 0);
  const hot = machines.flatMap((one) => one.hot ?? []);
  return {
    instructions: sum((one) => one.instructions),
    seconds,
    exits: addCounts(machines.map(({ exits }) => exits.byKind)),
    exitDetails: addCounts(machines.map(({ exits }) => exits.byDetail)),
    tlbFills: sum((one) => one.tlbFills),
    cold: { ...NO_COLD, ...addCounts(machines.map(({ cold }) => ({ ...cold }))) },
    ...(hot.length > 0 && { hot: { ...NO_HOT, ...addCounts(hot.map((one) => ({ ...one }))) } }),
  };
}

const NO_TIER: TierCounts = { executed: 0, instructions: 0, codeBytes: 0 };
const NO_COLD: ColdCounts = { ...NO_TIER, blocks: 0, flushes: 0, links: 0, jumps: 0, dispatches: 0 };
const NO_HOT: HotCounts = { ...NO_TIER, regions: 0, modules: 0, killed: 0 };

function addCounts(tables: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const total: Record<string, number> = {};
  for (const table of tables) {
    for (const [name, count] of Object.entries(table)) total[name] = (total[name] ?? 0) + count;
  }
  return total;
}

/** Million instructions a second. */
function mips({ instructions, seconds }: RunStatistics): number {
  return seconds > 0 ? instructions / seconds / 1e6 : 0;
}

/** One line of JSON, for programs. */
export function statisticsJson(statistics: RunStatistics): string {
  const { seconds, cold, hot, ...counts } = statistics;
  const all = {
    ...{ seconds: round(seconds, 6), mips: round(mips(statistics), 3) },
    ...counts,
    cold: roundTime(cold),
    ...(hot !== undefined && { hot: roundTime(hot) }),
  };
  return `${JSON.stringify(all)}\n`;
}

function roundTime(tier: TierCounts): TierCounts {
  const { milliseconds } = tier;
  return milliseconds === undefined ? tier : { ...tier, milliseconds: round(milliseconds, 3) };
}

/** Some lines, for people. */
export function statisticsText(statistics: RunStatistics): string {
  const { tlbFills, exitDetails, cold, hot } = statistics;
  const lines = [summaryLine(statistics), coldLine(cold, statistics)];
  if (hot !== undefined) lines.push(hotLine(hot, statistics));
  lines.push(
    `${count(cold.links)} links and ${count(cold.jumps)} jump targets made, ` +
      `${count(cold.dispatches)} dispatches, ${count(tlbFills)} TLB fills`,
  );
  const details = countList(exitDetails);
  if (details !== "") lines.push(details);
  return lines.map((line) => `hypercraft: ${line}\n`).join("");
}

function coldLine(cold: ColdCounts, of: RunStatistics): string {
  const blocks = `${count(cold.blocks)} blocks of ${count(cold.instructions)} instructions translated`;
  const flushes = cold.flushes > 0 ? `, code cache emptied ${count(cold.flushes)} times` : "";
  return `${share(cold, of)} interpreted; ${blocks} into ${count(cold.codeBytes)} bytes${time(cold)}${flushes}`;
}

function hotLine(hot: HotCounts, of: RunStatistics): string {
  const regions = `${count(hot.regions)} regions of ${count(hot.instructions)} instructions compiled`;
  const size = `${count(hot.codeBytes)} bytes of ${count(hot.modules)} modules`;
  return `${share(hot, of)} run by compiled code; ${regions} into ${size}${time(hot)}, ${count(hot.killed)} given up`;
}

function share({ executed }: TierCounts, { instructions }: RunStatistics): string {
  return `${(instructions > 0 ? (100 * executed) / instructions : 0).toFixed(1)}%`;
}

function time({ milliseconds }: TierCounts): string {
  return milliseconds === undefined ? "" : ` in ${milliseconds.toFixed(1)} ms`;
}

/** Instructions, time, MIPS and exits by kind. */
export function summaryLine(statistics: RunStatistics): string {
  const { instructions, seconds, exits } = statistics;
  const speed = `${mips(statistics).toFixed(1)} MIPS`;
  return `${count(instructions)} instructions in ${seconds.toFixed(2)} s, ${speed}; exits: ${countList(exits) || "none"}`;
}

function countList(counts: Readonly<Record<string, number>>): string {
  const sorted = Object.entries(counts).sort(([, a], [, b]) => b - a);
  return sorted.map(([name, number]) => `${name} ${count(number)}`).join(", ");
}

function count(number: number): string {
  return number.toLocaleString("en-US");
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
