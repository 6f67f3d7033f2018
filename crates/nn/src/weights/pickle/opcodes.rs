//! The stack machine.

use super::{Call, MAX_BYTES, MAX_OBJECTS, Object, Pickle, PickleError, Value};
use std::collections::HashMap;

type Step<T = ()> = Result<T, PickleError>;

/// State of a running pickle.
pub(super) struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Start of the current opcode, for errors.
    start: usize,
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: HashMap<u64, Value>,
    objects: Vec<Object>,
}

impl<'a> Machine<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let (stack, marks, objects) = (Vec::new(), Vec::new(), Vec::new());
        Machine {
            bytes,
            at: 0,
            start: 0,
            stack,
            marks,
            memo: HashMap::new(),
            objects,
        }
    }

    /// Runs to STOP.
    pub(super) fn run(mut self) -> Step<(Pickle, usize)> {
        loop {
            self.start = self.at;
            if self.at > MAX_BYTES {
                let (unit, limit) = ("bytes", MAX_BYTES);
                return Err(PickleError::TooLarge {
                    size: self.at,
                    unit,
                    limit,
                });
            }
            let opcode = self.byte()?;
            if opcode == b'.' {
                let root = self.pop()?;
                return Ok((
                    Pickle {
                        objects: self.objects,
                        root,
                    },
                    self.at,
                ));
            }
            self.step(opcode)?;
        }
    }

    fn step(&mut self, opcode: u8) -> Step {
        match opcode {
            // PROTO and FRAME say nothing that is needed.
            0x80 => self.take(1).map(drop),
            0x95 => self.take(8).map(drop),
            b'(' => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            b'0' => self.pop_or_mark(),
            b'1' => self.pop_to_mark().map(drop),
            b'2' => {
                let top = self.pop()?;
                self.stack.extend([top, top]);
                Ok(())
            }
            b'N' | 0x88 | 0x89 | b'I' | b'J' | b'K' | b'M' | b'L' | 0x8a | 0x8b | b'F' | b'G' => {
                self.scalar(opcode)
            }
            b'S' | b'T' | b'U' | b'V' | b'X' | 0x8c | 0x8d | b'B' | b'C' | 0x8e | 0x96 => {
                self.text_or_bytes(opcode)
            }
            b']' | b'l' | b'}' | b'd' | b')' | b't' | 0x85..=0x87 | 0x8f | 0x91 => {
                self.container(opcode)
            }
            b'a' | b'e' | b's' | b'u' | 0x90 => self.add(opcode),
            b'c' | 0x93 | b'R' | 0x81 | 0x92 | b'i' | b'o' | b'b' | b'P' | b'Q' => {
                self.construct(opcode)
            }
            b'p' | b'q' | b'r' | 0x94 | b'g' | b'h' | b'j' => self.memoize(opcode),
            _ => Err(PickleError::UnsupportedOpcode {
                opcode,
                offset: self.start,
            }),
        }
    }

    fn scalar(&mut self, opcode: u8) -> Step {
        let value = match opcode {
            b'N' => Value::None,
            0x88 => Value::Bool(true),
            0x89 => Value::Bool(false),
            b'I' => match self.line()? {
                b"00" => Value::Bool(false),
                b"01" => Value::Bool(true),
                text => Value::Int(self.parse(text)?),
            },
            b'J' => Value::Int(i64::from(i32::from_le_bytes(self.array()?))),
            b'K' => Value::Int(i64::from(self.byte()?)),
            b'M' => Value::Int(i64::from(u16::from_le_bytes(self.array()?))),
            b'L' => {
                let line = self.line()?;
                Value::Int(self.parse(line.strip_suffix(b"L").unwrap_or(line))?)
            }
            0x8a => {
                let len = usize::from(self.byte()?);
                self.long(len)?
            }
            0x8b => {
                let len = self.len4()?;
                self.long(len)?
            }
            b'F' => {
                let line = self.line()?;
                Value::Float(self.parse(line)?)
            }
            _ => Value::Float(f64::from_be_bytes(self.array()?)),
        };
        self.stack.push(value);
        Ok(())
    }

    /// A two's complement integer; kept as bytes where it has more than 64 bits.
    fn long(&mut self, len: usize) -> Step<Value> {
        let bytes = self.take(len)?;
        if len > 8 {
            return self.new_object(Object::Bytes(bytes.to_vec()));
        }
        let negative = bytes.last().is_some_and(|b| b & 0x80 != 0);
        let mut wide = [if negative { 0xff } else { 0 }; 8];
        wide[..len].copy_from_slice(bytes);
        Ok(Value::Int(i64::from_le_bytes(wide)))
    }

    fn text_or_bytes(&mut self, opcode: u8) -> Step {
        let raw = match opcode {
            b'S' | b'V' => self.line()?,
            b'U' | 0x8c | b'C' => {
                let len = usize::from(self.byte()?);
                self.take(len)?
            }
            b'T' | b'X' | b'B' => {
                let len = self.len4()?;
                self.take(len)?
            }
            _ => {
                let len = u64::from_le_bytes(self.array()?);
                let len = usize::try_from(len).map_err(|_| self.malformed())?;
                self.take(len)?
            }
        };
        // Escapes of protocol 0 are not needed for keys; better no text than a wrong one.
        if matches!(opcode, b'S' | b'V') && raw.contains(&b'\\') {
            return Err(self.malformed());
        }
        let object = match opcode {
            b'V' | b'X' | 0x8c | 0x8d => Object::Text(self.utf8(raw)?),
            // Python 2 text: `S` in quotes, `T` and `U` bare.
            b'S' => Object::Text(self.utf8(unquoted(raw).ok_or_else(|| self.malformed())?)?),
            b'T' | b'U' => match std::str::from_utf8(raw) {
                Ok(text) => Object::Text(text.to_owned()),
                Err(_) => Object::Bytes(raw.to_vec()),
            },
            _ => Object::Bytes(raw.to_vec()),
        };
        self.push(object)
    }

    fn container(&mut self, opcode: u8) -> Step {
        let object = match opcode {
            b']' | 0x8f => Object::List(Vec::new()),
            b'}' => Object::Dict(Vec::new()),
            b')' => Object::Tuple(Vec::new()),
            b'l' | 0x91 => Object::List(self.pop_to_mark()?),
            b't' => Object::Tuple(self.pop_to_mark()?),
            b'd' => {
                let flat = self.pop_to_mark()?;
                Object::Dict(self.pairs(&flat)?)
            }
            _ => Object::Tuple(self.pop_many(usize::from(opcode - 0x84))?),
        };
        self.push(object)
    }

    fn add(&mut self, opcode: u8) -> Step {
        let values = match opcode {
            b'a' => self.pop_many(1)?,
            b's' => self.pop_many(2)?,
            _ => self.pop_to_mark()?,
        };
        let is_item = matches!(opcode, b's' | b'u');
        let pairs = if is_item {
            self.pairs(&values)?
        } else {
            Vec::new()
        };
        let target = *self.stack.last().ok_or_else(|| self.underflow())?;
        let wrong = PickleError::WrongOperand { offset: self.start };
        let Value::Object(target) = target else {
            return Err(wrong);
        };
        match self.objects.get_mut(target) {
            Some(Object::List(list)) if !is_item => list.extend(values),
            Some(Object::Dict(items)) if is_item => items.extend(pairs),
            Some(Object::Call(call)) if is_item => call.items.extend(pairs),
            Some(Object::Call(call)) => call.elements.extend(values),
            _ => return Err(wrong),
        }
        Ok(())
    }

    fn construct(&mut self, opcode: u8) -> Step {
        match opcode {
            b'c' => {
                let global = self.global_line()?;
                self.push(global)
            }
            0x93 => self.stack_global(),
            b'R' | 0x81 => {
                let [callee, args] = self.pop_array()?;
                self.push_call(callee, args)
            }
            0x92 => {
                let [callee, args, _keyword_args] = self.pop_array()?;
                self.push_call(callee, args)
            }
            b'i' => {
                let global = self.global_line()?;
                let args = self.pop_to_mark()?;
                let callee = self.new_object(global)?;
                let args = self.new_object(Object::Tuple(args))?;
                self.push_call(callee, args)
            }
            b'o' => {
                let mut args = self.pop_to_mark()?;
                if args.is_empty() {
                    return Err(self.underflow());
                }
                let callee = args.remove(0);
                let args = self.new_object(Object::Tuple(args))?;
                self.push_call(callee, args)
            }
            b'b' => self.build(),
            b'P' => {
                let line = self.line()?;
                let text = Object::Text(self.utf8(line)?);
                let id = self.new_object(text)?;
                self.push(Object::Persistent(id))
            }
            _ => {
                let id = self.pop()?;
                self.push(Object::Persistent(id))
            }
        }
    }

    fn global_line(&mut self) -> Step<Object> {
        let (module, name) = (self.line()?, self.line()?);
        Ok(Object::Global {
            module: self.utf8(module)?,
            name: self.utf8(name)?,
        })
    }

    fn stack_global(&mut self) -> Step {
        let [module, name] = self.pop_array()?;
        let text = |value: Value| match value {
            Value::Object(i) => match self.objects.get(i) {
                Some(Object::Text(text)) => Ok(text.clone()),
                _ => Err(PickleError::WrongOperand { offset: self.start }),
            },
            _ => Err(PickleError::WrongOperand { offset: self.start }),
        };
        let global = Object::Global {
            module: text(module)?,
            name: text(name)?,
        };
        self.push(global)
    }

    fn push_call(&mut self, callee: Value, args: Value) -> Step {
        let (items, elements) = (Vec::new(), Vec::new());
        self.push(Object::Call(Call {
            callee,
            args,
            state: None,
            items,
            elements,
        }))
    }

    fn build(&mut self) -> Step {
        let state = self.pop()?;
        let target = *self.stack.last().ok_or_else(|| self.underflow())?;
        // State of anything else (a class that a persistent id stands for) has no meaning here.
        if let Value::Object(i) = target
            && let Some(Object::Call(call)) = self.objects.get_mut(i)
        {
            call.state = Some(state);
        }
        Ok(())
    }

    fn memoize(&mut self, opcode: u8) -> Step {
        let index = match opcode {
            b'p' | b'g' => {
                let line = self.line()?;
                self.parse(line)?
            }
            b'q' | b'h' => u64::from(self.byte()?),
            b'r' | b'j' => u64::from(u32::from_le_bytes(self.array()?)),
            _ => self.memo.len() as u64,
        };
        if matches!(opcode, b'g' | b'h' | b'j') {
            let value = self
                .memo
                .get(&index)
                .ok_or(PickleError::MissingMemo { index })?;
            self.stack.push(*value);
        } else {
            let top = *self.stack.last().ok_or_else(|| self.underflow())?;
            self.memo.insert(index, top);
        }
        Ok(())
    }

    fn new_object(&mut self, object: Object) -> Step<Value> {
        if self.objects.len() >= MAX_OBJECTS {
            let (size, unit) = (self.objects.len() + 1, "objects");
            return Err(PickleError::TooLarge {
                size,
                unit,
                limit: MAX_OBJECTS,
            });
        }
        self.objects.push(object);
        Ok(Value::Object(self.objects.len() - 1))
    }

    fn push(&mut self, object: Object) -> Step {
        let value = self.new_object(object)?;
        self.stack.push(value);
        Ok(())
    }

    /// How far down the stack an opcode may reach: not below the last mark.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Step<Value> {
        if self.stack.len() <= self.floor() {
            return Err(self.underflow());
        }
        self.stack.pop().ok_or_else(|| self.underflow())
    }

    fn pop_or_mark(&mut self) -> Step {
        if self.marks.last() == Some(&self.stack.len()) {
            self.marks.pop();
            return Ok(());
        }
        self.pop().map(drop)
    }

    fn pop_many(&mut self, n: usize) -> Step<Vec<Value>> {
        if self.stack.len() < self.floor() + n {
            return Err(self.underflow());
        }
        Ok(self.stack.split_off(self.stack.len() - n))
    }

    fn pop_array<const N: usize>(&mut self) -> Step<[Value; N]> {
        let values = self.pop_many(N)?;
        values.try_into().map_err(|_| self.underflow())
    }

    fn pop_to_mark(&mut self) -> Step<Vec<Value>> {
        let mark = self.marks.pop().ok_or_else(|| self.underflow())?;
        Ok(self.stack.split_off(mark))
    }

    fn pairs(&self, flat: &[Value]) -> Step<Vec<(Value, Value)>> {
        if !flat.len().is_multiple_of(2) {
            return Err(PickleError::WrongOperand { offset: self.start });
        }
        Ok(flat.chunks_exact(2).map(|p| (p[0], p[1])).collect())
    }

    fn take(&mut self, n: usize) -> Step<&'a [u8]> {
        let end = self
            .at
            .checked_add(n)
            .filter(|&end| end <= self.bytes.len());
        let end = end.ok_or(PickleError::UnexpectedEnd { offset: self.at })?;
        let part = &self.bytes[self.at..end];
        self.at = end;
        Ok(part)
    }

    fn array<const N: usize>(&mut self) -> Step<[u8; N]> {
        let offset = self.at;
        self.take(N)?
            .try_into()
            .map_err(|_| PickleError::UnexpectedEnd { offset })
    }

    fn byte(&mut self) -> Step<u8> {
        Ok(self.array::<1>()?[0])
    }

    /// A length of four bytes; a negative one (signed in some opcodes) is beyond every file's end.
    fn len4(&mut self) -> Step<usize> {
        let len = u32::from_le_bytes(self.array()?);
        usize::try_from(len).map_err(|_| self.malformed())
    }

    fn line(&mut self) -> Step<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|&b| b == b'\n');
        let end = end.ok_or(PickleError::UnexpectedEnd {
            offset: self.bytes.len(),
        })?;
        self.at += end + 1;
        Ok(&rest[..end])
    }

    fn utf8(&self, bytes: &[u8]) -> Step<String> {
        std::str::from_utf8(bytes)
            .map(str::to_owned)
            .map_err(|_| self.malformed())
    }

    fn parse<T: std::str::FromStr>(&self, bytes: &[u8]) -> Step<T> {
        let text = std::str::from_utf8(bytes).map_err(|_| self.malformed())?;
        text.parse().map_err(|_| self.malformed())
    }

    fn malformed(&self) -> PickleError {
        PickleError::Malformed { offset: self.start }
    }

    fn underflow(&self) -> PickleError {
        PickleError::StackUnderflow { offset: self.start }
    }
}

fn unquoted(line: &[u8]) -> Option<&[u8]> {
    let inner = |q: u8| line.strip_prefix(&[q])?.strip_suffix(&[q]);
    inner(b'\'').or_else(|| inner(b'"'))
}
