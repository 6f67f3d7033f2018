//! Number types of storages.

use half::{bf16, f16};

/// Number type of a storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dtype {
    F64,
    F32,
    F16,
    Bf16,
    I64,
    I32,
    I16,
    I8,
    U8,
    Bool,
}

impl Dtype {
    /// By the name of PyTorch's storage class.
    pub(super) fn of_storage(class: &str) -> Option<Dtype> {
        Some(match class {
            "DoubleStorage" => Dtype::F64,
            "FloatStorage" => Dtype::F32,
            "HalfStorage" => Dtype::F16,
            "BFloat16Storage" => Dtype::Bf16,
            "LongStorage" => Dtype::I64,
            "IntStorage" => Dtype::I32,
            "ShortStorage" => Dtype::I16,
            "CharStorage" => Dtype::I8,
            "ByteStorage" => Dtype::U8,
            "BoolStorage" => Dtype::Bool,
            _ => return None,
        })
    }

    /// Bytes of one element.
    pub(super) fn size(self) -> usize {
        match self {
            Dtype::F64 | Dtype::I64 => 8,
            Dtype::F32 | Dtype::I32 => 4,
            Dtype::F16 | Dtype::Bf16 | Dtype::I16 => 2,
            Dtype::I8 | Dtype::U8 | Dtype::Bool => 1,
        }
    }

    /// Element `index` of little-endian `bytes`; `None` beyond their end.
    pub(super) fn get(self, bytes: &[u8], index: usize) -> Option<f32> {
        let start = index.checked_mul(self.size())?;
        let b = bytes.get(start..)?;
        Some(match self {
            Dtype::F64 => f64::from_le_bytes(*b.first_chunk()?) as f32,
            Dtype::F32 => f32::from_le_bytes(*b.first_chunk()?),
            Dtype::F16 => f16::from_le_bytes(*b.first_chunk()?).to_f32(),
            Dtype::Bf16 => bf16::from_le_bytes(*b.first_chunk()?).to_f32(),
            Dtype::I64 => i64::from_le_bytes(*b.first_chunk()?) as f32,
            Dtype::I32 => i32::from_le_bytes(*b.first_chunk()?) as f32,
            Dtype::I16 => f32::from(i16::from_le_bytes(*b.first_chunk()?)),
            Dtype::I8 => f32::from(i8::from_le_bytes(*b.first_chunk()?)),
            Dtype::U8 => f32::from(*b.first()?),
            Dtype::Bool => f32::from(u8::from(*b.first()? != 0)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn converts_every_type() {
        let cases: [(&str, Vec<u8>, f32); 10] = [
            ("DoubleStorage", 1.5f64.to_le_bytes().to_vec(), 1.5),
            ("FloatStorage", (-2.25f32).to_le_bytes().to_vec(), -2.25),
            (
                "HalfStorage",
                f16::from_f32(0.5).to_le_bytes().to_vec(),
                0.5,
            ),
            (
                "BFloat16Storage",
                bf16::from_f32(3.0).to_le_bytes().to_vec(),
                3.0,
            ),
            ("LongStorage", (-7i64).to_le_bytes().to_vec(), -7.0),
            ("IntStorage", 70000i32.to_le_bytes().to_vec(), 70000.0),
            ("ShortStorage", (-300i16).to_le_bytes().to_vec(), -300.0),
            ("CharStorage", vec![0xff], -1.0),
            ("ByteStorage", vec![0xff], 255.0),
            ("BoolStorage", vec![1], 1.0),
        ];
        for (class, bytes, want) in cases {
            let dtype = Dtype::of_storage(class);
            assert_eq!(dtype.map(Dtype::size), Some(bytes.len()), "{class}");
            let second = [bytes.clone(), bytes].concat();
            assert_eq!(dtype.and_then(|d| d.get(&second, 1)), Some(want), "{class}");
            assert_eq!(dtype.and_then(|d| d.get(&second, 2)), None, "{class}");
        }
        assert_eq!(Dtype::of_storage("ComplexFloatStorage"), None);
    }
}
