//! Records arrive as bytes, and a layout only says where in them each fact lies.

/// The bytes of a field that lies within the record. A record of another layout has none.
pub(super) fn field<const N: usize>(record: &[u8], offset: usize) -> [u8; N] {
    let field = record.get(offset..).and_then(<[u8]>::first_chunk);
    field.copied().unwrap_or([0; N])
}

pub(super) fn u32_at(record: &[u8], offset: usize) -> u32 {
    u32::from_ne_bytes(field(record, offset))
}

pub(super) fn u64_at(record: &[u8], offset: usize) -> u64 {
    u64::from_ne_bytes(field(record, offset))
}

/// Writes a field where a test wants it.
#[cfg(test)]
pub(super) fn put<const N: usize>(record: &mut [u8], offset: usize, value: [u8; N]) {
    record[offset..offset + N].copy_from_slice(&value);
}
