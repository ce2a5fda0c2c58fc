import type { VmExitKind } from "@hypercraft/hypercraft";
import type { HotCounts, MachineStatistics } from "../machine/contract.js";

/** Counts of a run, over all its machines: a reset makes a new one. */
export interface RunStatistics {
  readonly instructions: number;
  /** Seconds from the first instruction to the last, waiting included. */
  readonly seconds: number;
  readonly exits: Readonly<Partial<Record<VmExitKind, number>>>;
  /** Finer counts, under names of the architecture. */
  readonly exitDetails: Readonly<Record<string, number>>;
  readonly tlbFills: number;
  readonly blocks: number;
  readonly codeBytes: number;
  /** What compiled code did; nothing where everything was interpreted. */
  readonly hot?: HotCounts;
}

/** The sum of the counts of some machines. */
export function addStatistics(machines: readonly MachineStatistics[], seconds: number): RunStatistics {
  const sum = (of: (one: MachineStatistics) => number) => machines.reduce((total, one) => total + of(one), 0);
  return {
    instructions: sum((one) => one.instructions),
    seconds,
    exits: addCounts(machines.map(({ exits }) => exits.byKind)),
    exitDetails: addCounts(machines.map(({ exits }) => exits.byDetail)),
    tlbFills: sum((one) => one.tlbFills),
    blocks: sum((one) => one.blocks),
    codeBytes: sum((one) => one.codeBytes),
    ...(machines.some(({ hot }) => hot !== undefined) && { hot: addHot(machines) }),
  };
}

function addHot(machines: readonly MachineStatistics[]): HotCounts {
  const sum = (of: (one: HotCounts) => number) =>
    machines.reduce((total, { hot }) => total + (hot === undefined ? 0 : of(hot)), 0);
  return {
    executed: sum(({ executed }) => executed),
    regions: sum(({ regions }) => regions),
    instructions: sum(({ instructions }) => instructions),
    codeBytes: sum(({ codeBytes }) => codeBytes),
    modules: sum(({ modules }) => modules),
    killed: sum(({ killed }) => killed),
  };
}

function addCounts(tables: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const total: Record<string, number> = {};
  for (const table of tables) {
    for (const [name, count] of Object.entries(table)) total[name] = (total[name] ?? 0) + count;
  }
  return total;
}

/** Million instructions a second. */
export function mips({ instructions, seconds }: RunStatistics): number {
  return seconds > 0 ? instructions / seconds / 1e6 : 0;
}

/** One line of JSON, for programs. */
export function statisticsJson(statistics: RunStatistics): string {
  const { seconds, ...counts } = statistics;
  return `${JSON.stringify({ seconds: round(seconds, 6), mips: round(mips(statistics), 3), ...counts })}\n`;
}

/** Some lines, for people. */
export function statisticsText(statistics: RunStatistics): string {
  const { tlbFills, blocks, codeBytes, exitDetails, hot } = statistics;
  const lines = [
    summaryLine(statistics),
    `${count(tlbFills)} TLB fills, ${count(blocks)} blocks translated into ${count(codeBytes)} bytes`,
  ];
  if (hot !== undefined) lines.push(hotLine(hot, statistics.instructions));
  const details = countList(exitDetails);
  if (details !== "") lines.push(details);
  return lines.map((line) => `hypercraft: ${line}\n`).join("");
}

function hotLine(hot: HotCounts, instructions: number): string {
  const share = instructions > 0 ? (100 * hot.executed) / instructions : 0;
  const regions = `${count(hot.regions)} regions of ${count(hot.instructions)} instructions compiled`;
  const size = `${count(hot.codeBytes)} bytes in ${count(hot.modules)} modules`;
  return `${share.toFixed(1)}% run by compiled code; ${regions} into ${size}, ${count(hot.killed)} given up`;
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
