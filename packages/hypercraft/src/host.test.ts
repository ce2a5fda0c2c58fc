import { describe, expect, it, vi } from "vitest";
import type { BufferConsole } from "./console.js";
import { Host } from "./host.js";
import type { GuestOp, GuestProgram } from "./testing/guest-program.js";
import { mockAdapter, mockEntry, mockGuestPageTable, mockHost } from "./testing/mock-arch.js";
import { VmCpus } from "./vcpus.js";
import { VmidAllocator } from "./vmid.js";

const code = (name: string) => expect.objectContaining({ code: name });
const OFF: GuestOp = { op: "shutdown", failure: false };
const SPIN: GuestOp = { op: "spin" };
const put = (nr: number): GuestOp => ({ op: "hypercall", nr, args: [0n, 0n, 0n], result: 3 });

/** Hypercall n writes the byte n to the VM's console. */
function add(host: Host, program: GuestProgram) {
  const vm = mockAdapter.createVm(host, [program], {
    handlers: {
      hypercall: ({ nr }) => {
        vm.console.write(Uint8Array.of(Number(nr)));
        return { kind: "results", values: [] };
      },
    },
  });
  return vm;
}

describe("Host", () => {
  it("gives each VM a VMID, and its page table with it", () => {
    const host = mockHost();
    const [a, b] = [add(host, [OFF]), add(host, [OFF])];
    expect([a.vmid, b.vmid]).toEqual([1, 2]);
    expect([a.guestPageTable.token, b.guestPageTable.token]).toEqual([1n, 2n]);
    expect(host.vms).toEqual([a, b]);
    expect(host.getVm(2)).toBe(b);
    expect(a.clock).toBe(host.hal.clock);
    expect(() => host.getVm(3)).toThrow(code("NotFound"));
  });

  it("takes a page table that is there already", () => {
    const host = mockHost();
    const guestPageTable = mockGuestPageTable(host.hal, 0);
    const vm = add(host, [OFF]);
    expect(host.createVm({ vcpus: vm.vcpus, guestPageTable }).guestPageTable).toBe(guestPageTable);
  });

  it("allocates for all VMs from one allocator", () => {
    const host = mockHost();
    const frames = new Set<number>();
    for (let i = 0; i < 3; i++) {
      const table = add(host, [OFF]).guestPageTable;
      for (let page = 0; page < 4; page++) frames.add(table.translate(0x1_0000 + page * 4096)!);
    }
    expect(frames.size).toBe(12);
  });

  it("runs them interleaved, a console each", async () => {
    const host = mockHost();
    const order: string[] = [];
    const letters = (first: number): GuestProgram => [put(first), put(first + 1), put(first + 2), OFF];
    const vms = [add(host, letters(0x41)), add(host, letters(0x61))];
    for (const vm of vms) {
      const write = vm.console.write.bind(vm.console);
      vi.spyOn(vm.console, "write").mockImplementation((bytes) => {
        order.push(String.fromCharCode(...bytes));
        write(bytes);
      });
    }
    const results = await host.run({ slice: 1 });
    expect([...results].map(([vmid, { kind }]) => [vmid, kind])).toEqual([
      [1, "shutdown"],
      [2, "shutdown"],
    ]);
    expect(order.join("")).toBe("AaBbCc");
    expect(vms.map((vm) => (vm.console as BufferConsole).text())).toEqual(["ABC", "abc"]);
  });

  it("keeps running the others when one fails", async () => {
    const host = mockHost();
    const bad = mockAdapter.createVm(host, [[put(1), SPIN]]);
    const good = add(host, [put(0x78), OFF]);
    const results = await host.run();
    expect([results.get(bad.vmid)?.kind, results.get(good.vmid)?.kind]).toEqual(["failed", "shutdown"]);
    expect((await host.run()).size).toBe(0);
  });

  it("runs on only what has not ended", async () => {
    const host = mockHost();
    add(host, [OFF]);
    const spinning = add(host, [SPIN]);
    await host.run({ maxInstructions: 10 });
    const second = await host.run({ maxInstructions: 10 });
    expect([...second]).toEqual([[2, { kind: "budget" }]]);
    expect(spinning.vcpus.getVcpu(0).retired).toBe(20);
  });

  it("jumps the shared clock only when every VM waits, to the earliest deadline", async () => {
    const host = mockHost();
    const sleeper = (delayNs: number): GuestProgram => [
      { op: "setTimer", delayNs },
      { op: "wait" },
      put(1),
      OFF,
    ];
    const times: number[] = [];
    for (const delay of [9_000_000, 4_000_000]) {
      const vm = add(host, sleeper(delay));
      vi.spyOn(vm.console, "write").mockImplementation(() => void times.push(host.hal.clock.now()));
    }
    await host.run();
    expect(times[0]).toBeGreaterThanOrEqual(4_000_000);
    expect(times[0]).toBeLessThan(4_001_000);
    expect(times[1]).toBeGreaterThanOrEqual(9_000_000);
    expect(times[1]).toBeLessThan(9_001_000);
  });

  it("frees the VMID of a VM that is destroyed, not of one that runs", async () => {
    const host = mockHost();
    const a = add(host, [SPIN]);
    add(host, [OFF]);
    const run = a.run({ maxInstructions: 10 });
    expect(() => host.destroyVm(a.vmid)).toThrow(code("BadState"));
    await run;
    host.destroyVm(a.vmid);
    expect(host.vms.map(({ vmid }) => vmid)).toEqual([2]);
    expect(() => host.destroyVm(a.vmid)).toThrow(code("NotFound"));
    expect(add(host, [OFF]).vmid).toBe(1);
    expect(host.vms.map(({ vmid }) => vmid)).toEqual([2, 1]);
  });

  it("keeps no VMID of a VM that could not be made", () => {
    const { hal } = mockHost();
    const host = new Host({ hal, vmids: new VmidAllocator(1) });
    const vcpus = new VmCpus(1);
    expect(() => host.createVm({ vcpus, guestPageTable: mockGuestPageTable(hal, 1) })).toThrow(
      code("InvalidParam"),
    );
    add(host, [OFF]);
    expect(() => add(host, [OFF])).toThrow(code("ResourceBusy"));
    expect(host.vms).toHaveLength(1);
  });

  it("shows every exit of every VM to the Hal's hook, which may settle it", async () => {
    const seen: string[] = [];
    const host = mockHost({
      onVmExit: (vcpu, { kind }) => {
        seen.push(`${vcpu.getPc() - BigInt(mockEntry(0))}:${kind}`);
        return kind === "hypercall" ? { kind: "results", values: [8n] } : undefined;
      },
    });
    const vm = mockAdapter.createVm(host, [[put(1), OFF]]);
    await host.run();
    expect(seen).toEqual(["0:hypercall", "4:systemShutdown"]);
    expect(vm.vcpus.getVcpu(0).getGpr(4)).toBe(8n);
  });

  it("shares nothing with another host", async () => {
    const [one, other] = [mockHost(), mockHost()];
    add(one, [SPIN]);
    const vm = add(other, [OFF]);
    await one.run({ maxInstructions: 100 });
    expect([one.hal.clock.now(), other.hal.clock.now()]).toEqual([1000, 0]);
    expect(vm.vmid).toBe(1);
    expect(other.vms).toHaveLength(1);
  });
});
