import { one, user, user64 } from "./system-programs.js";

// JMP, CALL, RET and IRET to other segments.

const targets = [
  ...["0", "CODE32", "DATA32", "CODE16", "USER_CODE32", "USER_CODE32-3", "TSS", "LDT", "CONFORMING"],
  ...[
    "ABSENT_CODE",
    "EXECUTE_ONLY",
    "GATE",
    "GATE_INNER",
    "GATE_RING1",
    "BEYOND",
    "RING1_CODE",
    "RING1_CODE-1",
  ],
  ...["USER_CONFORMING", "CODE32+3", "CONFORMING+3", "GATE+3"],
];

const jumps = (wrap: typeof one, kinds: readonly string[]) =>
  kinds.flatMap((kind) =>
    targets
      .filter((target) => !(kind === "lcall" && target === "CODE16"))
      .map((target) =>
        wrap(`${kind} ${target}`, `push $0x1234\npush $0x5678\n${kind} $${target}, $gate_entry`),
      ),
  );

const returns = (wrap: typeof one) =>
  targets.flatMap((target) => [
    wrap(`lret ${target}`, `push $USER_DATA32\npush $user_stack\npush $${target}\npush $gate_entry\nlret`),
    wrap(
      `lret $8 ${target}`,
      `push $USER_DATA32\npush $user_stack\npush $1\npush $2\npush $${target}\npush $gate_entry\nlret $8`,
    ),
    wrap(
      `iret ${target}`,
      `push $USER_DATA32\npush $user_stack\npush $0x246\npush $${target}\npush $gate_entry\niret`,
    ),
  ]);
export const farJumps = [...jumps(one, ["ljmp", "lcall"]), ...jumps(user, ["ljmp", "lcall"])];
export const farReturns = [...returns(one), ...returns(user)];
// --- Long mode -------------------------------------------------------------------------------
const longTargets = [
  ...["0", "CODE32", "CODE64", "CODE16", "DATA32", "USER_CODE64", "USER_CODE32", "TSS", "LDT", "CONFORMING"],
  ...["GATE", "GATE_INNER", "ABSENT_CODE", "BEYOND", "RING1_CODE", "USER_CONFORMING"],
];

const transfersLong = [
  "ljmp *pointer",
  "lcall *pointer",
  ".byte 0x48; ljmp *pointer",
  ".byte 0x48; lcall *pointer",
].flatMap((text) =>
  longTargets.flatMap((target) => {
    // Where 16-bit code would go on, nothing is.
    if (
      target === "CODE16" ||
      target === "CODE32" ||
      target === "CONFORMING" ||
      target === "USER_CONFORMING" ||
      target === "USER_CODE32"
    )
      return [];
    const pointer = text.startsWith(".byte")
      ? `movq $gate_entry, pointer\nmovw $${target}, pointer + 8`
      : `movl $gate_entry, pointer\nmovw $${target}, pointer + 4`;
    return [
      one(`${text} ${target}`, `${pointer}\n${text}`),
      user64(`${text} ${target}`, `${pointer}\n${text}`),
    ];
  }),
);

const returnsLong = ["lretl", "lretq", "iretl", "iretq", "iretw"].flatMap((text) =>
  longTargets.flatMap((target) => {
    if (text === "iretw" && target !== "0") return [];
    const size = text.endsWith("q") ? 8 : text.endsWith("l") ? 4 : 2;
    const flags = text.startsWith("iret") ? ["0x246"] : [];
    const rights = target.startsWith("USER") ? "USER_DATA32" : "DATA32";
    const pushes = [rights, "user_stack", ...flags, target, "gate_entry"].map((value, i, all) => {
      const at = (all.length - 1 - i) * size;
      return size === 8
        ? `movq $${value}, ${at}(%rsp)`
        : `mov${size === 4 ? "l" : "w"} $${value}${size === 2 ? " - 0x100000" : ""}, ${at}(%rsp)`;
    });
    if (size === 2) return [];
    const code = `sub $64, %rsp\n${pushes.join("\n")}\n${text}`;
    return [one(`${text} ${target}`, code), user64(`${text} ${target}`, code)];
  }),
);

const nullStack = [0, 1, 3].map((rpl) =>
  one(
    `iretq with a null stack segment, RPL ${rpl}`,
    `push $${rpl}\npush $user_stack\npush $2\npush $CODE64\npush $gate_entry\niretq`,
  ),
);

export const farLong = [...transfersLong, ...returnsLong, ...nullStack];
