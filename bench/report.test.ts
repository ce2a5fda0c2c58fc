import { expect, test } from "vitest";
import type { ProgramMeasurement } from "./guest-programs.ts";
import { bootTable, groupRatios, hostText, profileTable, programTable } from "./report.ts";

const program = (
  name: string,
  group: "compute" | "system",
  hypercraft: number[],
  qemu?: number[],
): ProgramMeasurement => ({ name, group, check: "0", samples: { hypercraft, ...(qemu && { qemu }) } });

const MEASURED = [
  program("fib", "compute", [100, 300, 200], [401, 400, 399]),
  program("sort", "compute", [100], [50]),
  program("pipe", "system", [1000], [250]),
];

test("programs: medians, QEMU's time over ours, and geometric means", () => {
  expect(programTable(MEASURED)).toBe(
    [
      "| program        | group   | hypercraft ms | QEMU ms | ratio |",
      "| -------------- | ------- | ------------: | ------: | ----: |",
      "| fib            | compute |           200 |     400 |  2.00 |",
      "| sort           | compute |           100 |      50 |  0.50 |",
      "| geometric mean | compute |               |         |  1.00 |",
      "| pipe           | system  |          1000 |     250 |  0.25 |",
      "| geometric mean | system  |               |         |  0.25 |",
      "",
    ].join("\n"),
  );
  expect(groupRatios(MEASURED)).toMatchObject([
    { group: "compute", least: 0.5 },
    { group: "system", least: 0.25 },
  ]);
});

test("without QEMU there are no ratios", () => {
  const alone = [program("fib", "compute", [100])];
  expect(groupRatios(alone)).toEqual([]);
  expect(programTable(alone)).toMatch(/\| fib {5}\| compute \| +100 \| +- \| +- \|\n$/);
});

test("boots are compared with QEMU's, memory with the guest's RAM", () => {
  const mib = 2 ** 20;
  const boots = [
    { name: "hypercraft, vm", samples: [6000, 5000, 7000], peakMemory: 700 * mib },
    { name: "hypercraft, bare", samples: [9000], peakMemory: 500 * mib },
    { name: "QEMU", samples: [2000], peakMemory: undefined },
  ];
  expect(bootTable(boots, "QEMU", 512 * mib)).toBe(
    [
      "| boot             | seconds | times QEMU's | peak memory               |",
      "| ---------------- | ------: | -----------: | ------------------------- |",
      "| hypercraft, vm   |    6.00 |         3.00 | 700 MiB (guest RAM + 188) |",
      "| hypercraft, bare |    9.00 |         4.50 | 500 MiB (guest RAM - 12)  |",
      "| QEMU             |    2.00 |         1.00 | -                         |",
      "",
    ].join("\n"),
  );
  expect(bootTable(boots.slice(0, 1), "QEMU", 512 * mib)).toContain("|    6.00 |            - |");
});

test("a profile's largest part comes first", () => {
  const table = profileTable([
    { category: "translating blocks", milliseconds: 250 },
    { category: "waiting", milliseconds: 750 },
  ]);
  expect(table.split("\n").slice(2, 5)).toEqual([
    "| waiting            |  750 |  75.0 % |",
    "| translating blocks |  250 |  25.0 % |",
    "| all                | 1000 | 100.0 % |",
  ]);
});

test("a machine that was busy is said to have been", () => {
  const host = {
    processor: "P",
    cores: 1,
    memory: 8,
    system: "Linux x64",
    node: "26",
    v8: "14",
    qemu: undefined,
    guest: "Debian",
    date: "2026-01-01",
  };
  const idle = hostText({ ...host, load: 0.2 });
  expect(idle).toMatch(/\| processor +\| P, 1 core +\|/);
  expect(idle).toMatch(/\| QEMU +\| not compared with \|/);
  expect(idle).not.toContain("busy");
  expect(hostText({ ...host, load: 3 })).toMatch(/load before \| 3\.0[\s\S]*was busy with other work/);
});
