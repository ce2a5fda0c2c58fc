// A guest BIOS: what a hypervisor puts at 0x8000 and starts in real mode, in place of firmware, to get a flat kernel at
// 0x20_0000 going. It turns on protected mode with flat segments and enters the kernel there, as a Multiboot loader
// would, but for what it cannot know: the information structure says nothing. It needs no device, stack nor memory map.

.set KERNEL, 0x200000
.set SEARCHED, 8192
.set HEADER_MAGIC, 0x1badb002
.set HAS_ADDRESSES, 1 << 16
// Of a Multiboot header: offsets of the flags, the checksum and the entry's address.
.set FLAGS, 4
.set CHECKSUM, 8
.set ENTRY, 28
.set BOOTED_MAGIC, 0x2badb002
.set CODE, 0x08
.set DATA, 0x10

.section .text, "ax"
.code16
.global start
start:
        cli
        cld
        xorw    %ax, %ax
        movw    %ax, %ds
        lgdtl   table
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        ljmpl   $CODE, $protected

.code32
protected:
        movl    $DATA, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %fs
        movl    %eax, %gs
        movl    %eax, %ss
        movl    $start, %esp            // grows down from here

        // Where the kernel begins: at its first byte, unless a Multiboot header gives an entry.
        movl    $KERNEL, %edx
        movl    %edx, %esi
        movl    $(SEARCHED / 4), %ecx
1:      cmpl    $HEADER_MAGIC, (%esi)
        jne     2f
        movl    FLAGS(%esi), %eax
        leal    HEADER_MAGIC(%eax), %ebx
        addl    CHECKSUM(%esi), %ebx
        jz      found
2:      addl    $4, %esi
        decl    %ecx
        jnz     1b
        jmp     enter
found:
        testl   $HAS_ADDRESSES, %eax
        jz      enter
        movl    ENTRY(%esi), %edx
enter:
        movl    $BOOTED_MAGIC, %eax
        movl    $information, %ebx
        jmp     *%edx

.balign 8
descriptors:
        .quad   0
        .quad   0x00cf9b000000ffff      // code, 32 bits, all of 4 GiB
        .quad   0x00cf93000000ffff      // data
table:
        .short  table - descriptors - 1
        .long   descriptors

// Multiboot's information: flags, by which nothing else of it is valid.
.balign 4
information:
        .long   0
