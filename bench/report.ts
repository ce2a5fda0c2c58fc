// What was measured as tables.
import type { BootMeasurement } from "./boot.ts";
import { geometricMean, median } from "./figures.ts";
import type { ProgramMeasurement, Side } from "./guest-programs.ts";
import { type HostDescription, isBusy } from "./host.ts";
import type { ProfileEntry } from "./profile.ts";
import type { Group } from "./programs.ts";
import { formatTable } from "./table.ts";

const NONE = "-";
const MIB = 2 ** 20;

const BUSY =
  "**The machine was busy with other work while this was measured: take the numbers as a rough idea only.**";

/** Milliseconds, or nothing to tell. */
export function medianOf({ samples }: ProgramMeasurement, side: Side): number | undefined {
  const found = samples[side];
  return found === undefined ? undefined : median(found);
}

/** QEMU's time divided by ours: above 1, we are faster. */
export function ratioOf(measurement: ProgramMeasurement): number | undefined {
  const [ours, theirs] = [medianOf(measurement, "hypercraft"), medianOf(measurement, "qemu")];
  return ours === undefined || theirs === undefined ? undefined : theirs / ours;
}

export interface GroupRatio {
  readonly group: Group;
  readonly geometricMean: number;
  readonly least: number;
}

/** Of the groups that have programs measured on both sides. */
export function groupRatios(measurements: readonly ProgramMeasurement[]): GroupRatio[] {
  return (["compute", "system"] as const).flatMap((group) => {
    const ratios = measurements.filter((one) => one.group === group).map(ratioOf);
    const known = ratios.filter((ratio) => ratio !== undefined);
    if (known.length === 0) return [];
    return [{ group, geometricMean: geometricMean(known), least: Math.min(...known) }];
  });
}

const fixed = (value: number | undefined, digits: number): string =>
  value === undefined ? NONE : value.toFixed(digits);

export function programTable(measurements: readonly ProgramMeasurement[]): string {
  const means = new Map(groupRatios(measurements).map((ratio) => [ratio.group, ratio]));
  const rows = (["compute", "system"] as const).flatMap((group) => {
    const members = measurements.filter((one) => one.group === group);
    const mean = means.get(group);
    const lines = members.map((one) => [
      one.name,
      group,
      fixed(medianOf(one, "hypercraft"), 0),
      fixed(medianOf(one, "qemu"), 0),
      fixed(ratioOf(one), 2),
    ]);
    if (mean !== undefined) lines.push(["geometric mean", group, "", "", fixed(mean.geometricMean, 2)]);
    return lines;
  });
  const heading = ["program", "group", "hypercraft ms", "QEMU ms", "ratio"];
  return formatTable([heading, ...rows], ["left", "left", "right", "right", "right"]);
}

/** `qemu` names the subject that others are compared with; `ram` is in bytes. */
export function bootTable(boots: readonly BootMeasurement[], qemu: string, ram: number): string {
  const reference = boots.find(({ name }) => name === qemu);
  const time = reference === undefined ? undefined : median(reference.samples);
  const rows = boots.map((boot) => {
    const own = median(boot.samples);
    const memory = boot.peakMemory === undefined ? NONE : memoryText(boot.peakMemory, ram);
    const times = time === undefined ? NONE : fixed(own / time, 2);
    return [boot.name, fixed(own / 1000, 2), times, memory];
  });
  const heading = ["boot", "seconds", "times QEMU's", "peak memory"];
  return formatTable([heading, ...rows], ["left", "right", "right", "left"]);
}

/** Pages of the guest that it never touched are not resident, so this can be less than the RAM it was given. */
function memoryText(bytes: number, ram: number): string {
  const more = Math.round((bytes - ram) / MIB);
  const sign = more < 0 ? "-" : "+";
  return `${Math.round(bytes / MIB)} MiB (guest RAM ${sign} ${Math.abs(more)})`;
}

export function profileTable(entries: readonly ProfileEntry[]): string {
  const total = entries.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  const rows = [...entries]
    .sort((a, b) => b.milliseconds - a.milliseconds)
    .map(({ category, milliseconds }) => [
      category,
      fixed(milliseconds, 0),
      `${fixed((100 * milliseconds) / total, 1)} %`,
    ]);
  rows.push(["all", fixed(total, 0), "100.0 %"]);
  return formatTable([["where", "ms", "share"], ...rows], ["left", "right", "right"]);
}

export function hostText(host: HostDescription): string {
  const rows = [
    ["processor", `${host.processor}, ${host.cores} ${host.cores === 1 ? "core" : "cores"}`],
    ["memory", `${host.memory} GiB`],
    ["system", host.system],
    ["Node", `${host.node} (V8 ${host.v8})`],
    ["QEMU", host.qemu ?? "not compared with"],
    ["guest", host.guest],
    ["load before", host.load.toFixed(1)],
    ["date", host.date],
  ];
  const table = formatTable([["machine", ""], ...rows], ["left", "left"]);
  return isBusy(host) ? `${table}\n${BUSY}\n` : table;
}
