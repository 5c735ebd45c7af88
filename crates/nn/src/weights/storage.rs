//! The types of stored elements, and how each becomes f32.

/// A floating point format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    F64,
    F32,
    F16,
    Bf16,
}

/// Little-endian values as f32; an incomplete last value is ignored.
pub(super) fn widen(element: Element, bytes: &[u8]) -> Box<dyn Iterator<Item = f32> + '_> {
    match element {
        Element::F64 => Box::new(bytes.as_chunks().0.iter().map(|&value| f64::from_le_bytes(value) as f32)),
        Element::F32 => Box::new(bytes.as_chunks().0.iter().map(|&value| f32::from_le_bytes(value))),
        Element::F16 => Box::new(bytes.as_chunks().0.iter().map(|&value| half::f16::from_le_bytes(value).to_f32())),
        Element::Bf16 => Box::new(bytes.as_chunks().0.iter().map(|&value| half::bf16::from_le_bytes(value).to_f32())),
    }
}

/// Type of a storage's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StorageType {
    pub name: &'static str,
    pub size: usize,
    /// `None`: integers, whose values are not kept.
    pub element: Option<Element>,
}

impl StorageType {
    /// The type that `torch.<name>` stores.
    pub fn of_storage(name: &str) -> Option<Self> {
        let (name, size, element) = match name {
            "DoubleStorage" => ("F64", 8, Some(Element::F64)),
            "FloatStorage" => ("F32", 4, Some(Element::F32)),
            "HalfStorage" => ("F16", 2, Some(Element::F16)),
            "BFloat16Storage" => ("BF16", 2, Some(Element::Bf16)),
            "LongStorage" => ("I64", 8, None),
            "IntStorage" => ("I32", 4, None),
            "ShortStorage" => ("I16", 2, None),
            "CharStorage" => ("I8", 1, None),
            "ByteStorage" => ("U8", 1, None),
            "BoolStorage" => ("BOOL", 1, None),
            _ => return None,
        };
        Some(Self { name, size, element })
    }
}
