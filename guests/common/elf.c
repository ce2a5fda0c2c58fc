#include "elf.h"

#include "arch.h"
#include "string.h"

struct elf_header {
  u8 ident[16];
  u16 type, machine;
  u32 version;
  u64 entry, segments_at, sections_at;
  u32 flags;
  u16 header_size, segment_size, segment_count;
  u16 section_size, section_count, section_names;
};

struct elf_segment {
  u32 type, flags;
  u64 offset, virtual, physical, file_size, memory_size, alignment;
};

enum { SEGMENT_LOAD = 1, FLAG_EXECUTE = 1, FLAG_WRITE = 2, FLAG_READ = 4 };

static const struct elf_header *elf_header(const u8 *file, u64 size) {
  const struct elf_header *header = (const void *)file;
  if (size < sizeof *header) return NULL;
  if (memcmp(header->ident, "\x7f" "ELF\2\1\1", 7) != 0) return NULL;
  if (header->machine != arch_elf_machine || header->segment_size != sizeof(struct elf_segment)) return NULL;
  u64 table = header->segment_count * sizeof(struct elf_segment);
  if (header->segments_at > size || table > size - header->segments_at) return NULL;
  return header;
}

static bool load_segment(struct space *space, const u8 *file, u64 size, const struct elf_segment *segment) {
  if (segment->offset > size || segment->file_size > size - segment->offset) return false;
  if (segment->file_size > segment->memory_size) return false;

  unsigned rights = 0;
  if (segment->flags & FLAG_READ) rights |= RIGHT_READ;
  if (segment->flags & FLAG_WRITE) rights |= RIGHT_WRITE;
  if (segment->flags & FLAG_EXECUTE) rights |= RIGHT_EXECUTE;
  if (!space_add(space, segment->virtual, segment->virtual + segment->memory_size, rights)) return false;

  /* What the file holds is copied now, the zeros behind it appear when touched. */
  const u8 *from = file + segment->offset;
  for (u64 done = 0; done < segment->file_size;) {
    vaddr at = segment->virtual + done;
    u64 part = PAGE_SIZE - at % PAGE_SIZE;
    if (part > segment->file_size - done) part = segment->file_size - done;
    void *to = space_at(space, at, rights);
    if (to == NULL) return false;
    memcpy(to, from + done, part);
    done += part;
  }
  return true;
}

vaddr elf_load(struct space *space, const u8 *file, u64 size) {
  const struct elf_header *header = elf_header(file, size);
  if (header == NULL) return 0;
  const struct elf_segment *segments = (const void *)(file + header->segments_at);
  for (unsigned i = 0; i < header->segment_count; i++) {
    if (segments[i].type != SEGMENT_LOAD) continue;
    if (!load_segment(space, file, size, &segments[i])) return 0;
  }
  return header->entry;
}

vaddr elf_end(const u8 *file, u64 size) {
  const struct elf_header *header = elf_header(file, size);
  if (header == NULL) return 0;
  const struct elf_segment *segments = (const void *)(file + header->segments_at);
  vaddr end = 0;
  for (unsigned i = 0; i < header->segment_count; i++) {
    vaddr last = segments[i].virtual + segments[i].memory_size;
    if (segments[i].type == SEGMENT_LOAD && last > end) end = last;
  }
  return end;
}
