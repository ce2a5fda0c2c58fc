import { describe, expect, it } from "vitest";
import { formatBytes, streamProgress } from "./progress.js";

function recorder(isTTY: boolean) {
  const written: string[] = [];
  let time = 0;
  const progress = streamProgress({ isTTY, write: (text) => written.push(text) }, () => time);
  const wait = (ms: number): void => {
    time += ms;
  };
  return { progress, wait, text: () => written.join("") };
}

describe("streamProgress", () => {
  it("redraws one line on a terminal and wipes it at the end", () => {
    const { progress, text, wait } = recorder(true);
    progress.bytes("kernel", 2 ** 20, 4 * 2 ** 20);
    wait(1000);
    progress.bytes("kernel", 2 * 2 ** 20, 4 * 2 ** 20);
    wait(10);
    progress.bytes("kernel", 3 * 2 ** 20, 4 * 2 ** 20);
    progress.end();
    progress.line("done");
    expect(text()).toBe(
      "\r\x1b[Kkernel: 1.0 MiB of 4.0 MiB (25 %)" +
        "\r\x1b[Kkernel: 2.0 MiB of 4.0 MiB (50 %), 1.0 MiB/s, 2 s left" +
        "\r\x1b[Kdone\n",
    );
  });

  it("writes a line every ten seconds elsewhere", () => {
    const { progress, text, wait } = recorder(false);
    for (let second = 0; second <= 25; second++) {
      progress.bytes("kernel", second * 2 ** 20, 100 * 2 ** 20);
      wait(1000);
    }
    progress.end();
    expect(text()).toBe(
      "kernel: 10.0 MiB of 100.0 MiB (10 %), 1.0 MiB/s, 90 s left\n" +
        "kernel: 20.0 MiB of 100.0 MiB (20 %), 1.0 MiB/s, 80 s left\n",
    );
  });

  it("writes sizes for people", () => {
    expect([5, 2048, 919 * 1024, 2 ** 20 * 1.5].map(formatBytes)).toEqual([
      "5 B",
      "2 KiB",
      "919 KiB",
      "1.5 MiB",
    ]);
  });
});
