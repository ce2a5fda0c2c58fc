import { describe, expect, it } from "vitest";
import { PerCpuArea } from "./per-cpu.js";
import { MockPerCpu, mockEntry, mockHost } from "./testing/mock-arch.js";

const code = (name: string) => expect.objectContaining({ code: name });
const { hal } = mockHost();

describe("BasePerCpu", () => {
  it("makes vCPUs only while the hardware is on", () => {
    const cpu = new MockPerCpu(0, hal, []);
    expect(cpu.enabled).toBe(false);
    expect(() => cpu.createVcpu(0, mockEntry(0))).toThrow(code("Disabled"));
    cpu.hardwareEnable();
    expect(cpu.enabled).toBe(true);
    const vcpu = cpu.createVcpu(3, mockEntry(1));
    expect([vcpu.vcpuId, vcpu.entry, vcpu.state]).toEqual([3, mockEntry(1), "Created"]);
    expect(cpu.vcpuIds).toEqual([3]);
    expect(() => cpu.createVcpu(3, mockEntry(1))).toThrow(code("AlreadyExists"));
    cpu.hardwareDisable();
    expect(() => cpu.createVcpu(4, mockEntry(0))).toThrow(code("Disabled"));
  });

  it("is switched on once at a time", () => {
    const cpu = new MockPerCpu(0, hal, []);
    expect(() => cpu.hardwareDisable()).toThrow(code("Disabled"));
    cpu.hardwareEnable();
    expect(() => cpu.hardwareEnable()).toThrow(code("ResourceBusy"));
    cpu.hardwareDisable();
    cpu.hardwareEnable();
  });

  it("cannot be switched on without the hardware", () => {
    const cpu = new MockPerCpu(0, hal, [], false);
    expect(() => cpu.hardwareEnable()).toThrow(code("NotSupported"));
    expect(cpu.enabled).toBe(false);
  });

  it("refuses a vCPU id that is none, without remembering it", () => {
    const cpu = new MockPerCpu(0, hal, []);
    cpu.hardwareEnable();
    expect(() => cpu.createVcpu(-1, mockEntry(0))).toThrow(code("OutOfRange"));
    expect(cpu.vcpuIds).toEqual([]);
  });
});

describe("PerCpuArea", () => {
  const area = () => new PerCpuArea((cpuId) => new MockPerCpu(cpuId, hal, []));

  it("is at the boot CPU after init, and where it was set up later", () => {
    const cpus = area();
    cpus.init(2, 4);
    expect(cpus.cpus.map(({ cpuId }) => cpuId)).toEqual([0, 1, 2, 3]);
    expect(cpus.thisCpu().cpuId).toBe(2);
    cpus.setupThisCpu(0);
    expect(cpus.thisCpu()).toBe(cpus.cpus[0]);
  });

  it("has nothing before init, and one init", () => {
    const cpus = area();
    expect(() => cpus.thisCpu()).toThrow(code("BadState"));
    expect(() => cpus.setupThisCpu(0)).toThrow(code("NotFound"));
    cpus.init();
    expect(() => cpus.init()).toThrow(code("BadState"));
    expect(() => cpus.setupThisCpu(1)).toThrow(code("NotFound"));
  });

  it("refuses numbers of CPUs that cannot be", () => {
    expect(() => area().init(0, 0)).toThrow(code("InvalidParam"));
    expect(() => area().init(4, 4)).toThrow(code("OutOfRange"));
    expect(() => area().init(-1, 4)).toThrow(code("OutOfRange"));
  });

  it("is not shared", () => {
    const [one, other] = [area(), area()];
    one.init();
    one.thisCpu().hardwareEnable();
    other.init();
    expect(other.thisCpu().enabled).toBe(false);
  });
});
