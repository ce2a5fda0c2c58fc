import { describe, expect, it } from "vitest";
import { ExitStats } from "./exit-stats.js";

describe("ExitStats", () => {
  it("counts by kind and by detail", () => {
    const stats = new ExitStats();
    expect(stats.toJSON()).toEqual({ total: 0, byKind: {}, byDetail: {} });
    stats.count("wait");
    stats.count("hypercall", "SBI TIME set_timer");
    stats.count("hypercall", "SBI BASE probe");
    stats.count("hypercall", "SBI TIME set_timer");
    expect([stats.of("hypercall"), stats.of("wait"), stats.of("ipi"), stats.total]).toEqual([3, 1, 0, 4]);
    expect(JSON.stringify(stats)).toBe(
      '{"total":4,"byKind":{"hypercall":3,"wait":1},"byDetail":{"SBI BASE probe":1,"SBI TIME set_timer":2}}',
    );
  });

  it("adds another's counts", () => {
    const [one, two] = [new ExitStats(), new ExitStats()];
    one.count("wait");
    two.count("wait", "idle");
    two.count("timer");
    one.add(two);
    expect(one.toJSON()).toEqual({ total: 3, byKind: { wait: 2, timer: 1 }, byDetail: { idle: 1 } });
    expect(two.total).toBe(2);
  });
});
