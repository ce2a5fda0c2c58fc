import { describe, expect, test } from "vitest";
import { assembleGuest, type Guest, RAM, reg, STOP } from "../testing/vm/rig.js";
import { HSM, IPI, RFENCE, sbi } from "../testing/vm/sbi-text.js";
import { GuestInterrupt } from "./vcpu.js";

// Several harts of one VM: starting and stopping them, their states, interrupts and fences between them.

const END = { kind: "end", result: { kind: "stopped" } } as const;
const handlers = { hypercall: () => END };
/** Words that harts leave messages in. */
const WORDS = RAM + 0x1f_0000;

/** Wait until the doubleword at WORDS + offset is `value`. */
const await_ = (label: string, offset: number, value: number) => `
  ${label}: li t0, ${WORDS + offset}
  ld t1, 0(t0)
  li t2, ${value}
  bne t1, t2, ${label}
`;
const tell = (offset: number, value: number) => `li t0, ${WORDS + offset}\nli t1, ${value}\nsd t1, 0(t0)\n`;
const start = (hart: number, label: string, opaque: number) =>
  `li a0, ${hart}\nla a1, ${label}\nli a2, ${opaque}\nli a7, ${HSM}\nli a6, 0\necall\n`;
const status = (hart: number) => sbi(HSM, 2, hart);
const STOP_HART = sbi(HSM, 1);
const pause = (label: string, times: number) =>
  `li t3, ${times}\n${label}: addi t3, t3, -1\nbnez t3, ${label}\n`;

async function run(guest: Guest, slice = 50): Promise<Guest> {
  const result = await guest.vm.run({ slice, onIdle: "stop", maxInstructions: 5_000_000 });
  expect(result.kind).toBe("stopped");
  return guest;
}

test("a hart's states as another one sees them: stopped, started, suspended, woken, stopped again", async () => {
  const { vcpu, vm } = await run(
    assembleGuest(
      `
      ${status(1)}
      mv s2, a1
      ${start(1, "other", 77)}
      mv s3, a0
      ${start(1, "other", 78)}
      mv s4, a0
      ${await_("up", 0, 1)}
      ${status(1)}
      mv s5, a1
      ${tell(8, 1)}
      ${pause("p0", 200)}
      ${status(1)}
      mv s6, a1
      ${sbi(IPI, 0, 1, 1)}
      ${status(1)}
      mv s7, a1
      ${await_("woken", 0, 2)}
      ${status(1)}
      mv s8, a1
      ${tell(8, 2)}
      ${pause("p1", 200)}
      ${status(1)}
      mv s9, a1
      ${sbi(IPI, 0, 1, 1)}
      ${await_("again", 0, 3)}
      ${tell(8, 3)}
      ${pause("p2", 200)}
      ${status(1)}
      mv s10, a1
      ${status(0)}
      mv s11, a1
      ${STOP}
      other:
      csrsi sie, 2
      ${tell(0, 1)}
      ${await_("suspend", 8, 1)}
      ${sbi(HSM, 3, 0, 0, 0)}
      csrci sip, 2
      ${tell(0, 2)}
      ${await_("wait", 8, 2)}
      wfi
      csrci sip, 2
      ${tell(0, 3)}
      ${await_("stop", 8, 3)}
      ${STOP_HART}
    `,
      { cpus: 2, handlers },
    ),
  );
  const seen = Object.fromEntries(
    ["s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11"].map((name) => [
      name,
      BigInt.asIntN(64, reg(vcpu, name)),
    ]),
  );
  expect(seen).toEqual({
    s2: 1n, // stopped
    s3: 0n,
    s4: -6n, // already available
    s5: 0n, // started
    s6: 4n, // suspended
    s7: 4n, // the interrupt is there, but the hart has not had its turn
    s8: 0n,
    s9: 0n, // a hart in WFI runs
    s10: 1n,
    s11: 0n,
  });
  expect([...vm.vcpus].map(({ state }) => state)).toEqual(["Ready", "PoweredOff"]);
});

test("a started hart has its id in a0, the opaque value in a1, translation off and interrupts masked, every time", async () => {
  const { vcpu, vm } = await run(
    assembleGuest(
      `
      li s11, ${WORDS + 64}
      ${start(1, "other", 0x1234)}
      ${await_("first", 0, 1)}
      ${pause("p0", 100)}
      ${start(1, "other", 0x5678)}
      ${await_("second", 0, 2)}
      ${STOP}
      other:
      csrr t3, satp
      csrr t4, sstatus
      li t0, ${WORDS}
      ld t1, 0(t0)
      slli t2, t1, 5
      add t2, t2, t0
      sd a0, 64(t2)
      sd a1, 72(t2)
      sd t3, 80(t2)
      sd t4, 88(t2)
      addi t1, t1, 1
      csrsi sie, 2
      csrsi sstatus, 2
      li t5, 0x222
      csrw stvec, t5
      sd t1, 0(t0)
      ${STOP_HART}
    `,
      { cpus: 2, handlers },
    ),
  );
  const word = (offset: number) => vm.memory!.readU64(WORDS + offset);
  for (const [i, opaque] of [0x1234n, 0x5678n].entries()) {
    const at = 64 + 32 * i;
    expect([word(at), word(at + 8), word(at + 16), word(at + 24) & 2n]).toEqual([1n, opaque, 0n, 0n]);
  }
  expect(vcpu.state).toBe("Ready");
});

test("the external interrupt is a wire: a hart that is stopped and started again still has it", async () => {
  const { vm } = await run(
    assembleGuest(
      `
      ${start(1, "other", 0)}
      ${await_("first", 0, 1)}
      ${pause("p0", 100)}
      ${start(1, "again", 0)}
      ${await_("second", 0, 2)}
      ${STOP}
      other: csrr s2, sip
      ${tell(0, 1)}
      ${STOP_HART}
      again: csrr s3, sip
      ${tell(0, 2)}
      ${STOP_HART}
    `,
      {
        cpus: 2,
        handlers: {
          hypercall: () => END,
          cpuDown: (_exit, vcpu) => {
            vcpu.setInterrupt(GuestInterrupt.external, true);
            return undefined;
          },
        },
      },
    ),
  );
  expect(reg(vm.vcpus.getVcpu(1), "s3")).toBe(0x200n);
});

test("two harts play ping-pong by interrupts, and always the same game", async () => {
  const game = async (slice: number) => {
    const guest = assembleGuest(
      `
      la t0, handler
      csrw stvec, t0
      csrsi sie, 2
      csrsi sstatus, 2
      ${start(1, "other", 0)}
      li s2, 100
      serve: ${sbi(IPI, 0, 1, 1)}
      wait0: csrci sstatus, 2
      bnez s3, got0
      wfi
      got0: csrsi sstatus, 2
      beqz s3, wait0
      li s3, 0
      addi s2, s2, -1
      bnez s2, serve
      ${STOP}
      other:
      la t0, handler
      csrw stvec, t0
      csrsi sie, 2
      csrsi sstatus, 2
      wait1: csrci sstatus, 2
      bnez s3, got1
      wfi
      got1: csrsi sstatus, 2
      beqz s3, wait1
      li s3, 0
      addi s4, s4, 1
      ${sbi(IPI, 0, 1, 0)}
      j wait1
      .align 4
      handler:
      csrci sip, 2
      li s3, 1
      sret
    `,
      { cpus: 2, handlers },
    );
    await run(guest, slice);
    const second = guest.vm.vcpus.getVcpu(1);
    // The last of the hundred has been answered.
    expect([reg(guest.vcpu, "s2"), reg(second, "s4")]).toEqual([0n, 100n]);
    return [guest.vcpu.retired, second.retired, guest.vm.clock.now()];
  };
  for (const slice of [3, 50, 20_000]) expect(await game(slice)).toEqual(await game(slice));
});

describe("a remote fence makes another hart forget its translations", () => {
  const A = RAM + 0x10_0000;
  const B = RAM + 0x10_1000;
  const TABLES = RAM + 0x18_0000;
  /** 2 MiB at 0x40000000 by a table of pages, RAM where it is. */
  const VA = 0x4000_0000;
  const entry = (address: number, flags: bigint) => ((BigInt(address) >> 12n) << 10n) | flags;
  const SATP = 0x8000_0000_0000_0000n | (0x23n << 44n) | (BigInt(TABLES) >> 12n);

  const tables = (guest: Guest) => {
    const { memory } = guest.vm;
    memory!.writeU64(TABLES + 8, entry(TABLES + 0x1000, 1n));
    memory!.writeU64(TABLES + 16, entry(RAM, 0xcfn));
    memory!.writeU64(TABLES + 0x1000, entry(TABLES + 0x2000, 1n));
    memory!.writeU64(TABLES + 0x2000, entry(A, 0xcfn));
    memory!.writeU64(A, 0xaaaan);
    memory!.writeU64(B, 0xbbbbn);
  };

  test.each([
    ["of a page", sbi(RFENCE, 1, 2, 0, VA, 4096)],
    ["of a range", sbi(RFENCE, 1, 2, 0, VA - 0x3000, 0x8000)],
    ["of everything", sbi(RFENCE, 1, 2, 0, 0, 0)],
    ["of all of it", sbi(RFENCE, 1, 2, 0, 0, (1n << 64n) - 1n)],
    ["of a page and ASID", sbi(RFENCE, 2, 2, 0, VA, 4096, 0x23)],
    ["of an ASID, on every hart", sbi(RFENCE, 2, 0, (1n << 64n) - 1n, 0, 0, 0x23)],
  ])("%s", async (_name, fence) => {
    const guest = assembleGuest(
      `
      ${start(1, "other", 0)}
      ${await_("read", 0, 1)}
      li t0, ${TABLES + 0x2000}
      li t1, ${entry(B, 0xcfn)}
      sd t1, 0(t0)
      ${fence}
      mv s2, a0
      ${tell(8, 1)}
      ${await_("done", 0, 2)}
      ${STOP}
      other:
      li t0, ${SATP}
      csrw satp, t0
      li s3, ${VA}
      ld s4, 0(s3)
      ld s4, 0(s3)
      ${tell(0, 1)}
      ${await_("fenced", 8, 1)}
      ld s5, 0(s3)
      ${tell(0, 2)}
      spin: j spin
    `,
      { cpus: 2, handlers },
    );
    tables(guest);
    await run(guest);
    const other = guest.vm.vcpus.getVcpu(1);
    expect([reg(guest.vcpu, "s2"), reg(other, "s4"), reg(other, "s5")]).toEqual([0n, 0xaaaan, 0xbbbbn]);
  });

  test("and of code that another hart has run: FENCE.I", async () => {
    const guest = assembleGuest(
      `
      ${start(1, "other", 0)}
      ${await_("ran", 0, 1)}
      la t0, code
      li t1, ${0x0020_0513}
      sw t1, 0(t0)
      fence.i
      ${sbi(RFENCE, 0, 2, 0)}
      ${tell(8, 1)}
      ${await_("done", 0, 2)}
      ${STOP}
      other:
      call: jal ra, code
      mv s2, a0
      ${tell(0, 1)}
      ${await_("fenced", 8, 1)}
      jal ra, code
      mv s3, a0
      ${tell(0, 2)}
      spin: j spin
      code: li a0, 1
      ret
    `,
      { cpus: 2, handlers },
    );
    await run(guest);
    const other = guest.vm.vcpus.getVcpu(1);
    expect([reg(other, "s2"), reg(other, "s3")]).toEqual([1n, 2n]);
  });
});
