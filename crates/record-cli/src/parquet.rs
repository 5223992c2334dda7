//! Rows as an Apache Parquet file, a group of rows at a time.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;
use portcullis_ledger::Row;

use crate::cells::{COLUMNS, Kind, Value, cells};

/// Rows of a group, at most.
const ROWS: usize = 65_536;
/// Bytes of texts in a group, about: a group is in memory until it is whole.
const BYTES: usize = 64 << 20;

/// A file that is being written.
pub(crate) struct Table<W: Write + Send> {
    to: SerializedFileWriter<W>,
    columns: Vec<Column>,
    rows: usize,
    bytes: usize,
}

/// The values of a group in one column; `there` and `first` are Parquet's definition and repetition levels.
#[derive(Default)]
struct Column {
    numbers: Vec<i64>,
    reals: Vec<f64>,
    texts: Vec<ByteArray>,
    there: Vec<i16>,
    first: Vec<i16>,
}

impl<W: Write + Send> Table<W> {
    /// Begins a file.
    pub(crate) fn begin(to: W) -> Result<Self, ParquetError> {
        let schema = Arc::new(parse_message_type(&schema())?);
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by(format!("portcullis {}", env!("CARGO_PKG_VERSION")))
            .build();
        let to = SerializedFileWriter::new(to, schema, Arc::new(properties))?;
        Ok(Self { to, columns: empty(), rows: 0, bytes: 0 })
    }

    /// Adds a row.
    pub(crate) fn put(&mut self, row: &Row) -> Result<(), ParquetError> {
        for (column, value) in self.columns.iter_mut().zip(cells(row)) {
            self.bytes += column.put(value);
        }
        self.rows += 1;
        if self.rows >= ROWS || self.bytes >= BYTES { self.write() } else { Ok(()) }
    }

    /// Ends the file and gives back what it was written to.
    pub(crate) fn end(mut self) -> Result<W, ParquetError> {
        if self.rows > 0 {
            self.write()?;
        }
        self.to.into_inner()
    }

    fn write(&mut self) -> Result<(), ParquetError> {
        let mut group = self.to.next_row_group()?;
        for (column, (_, kind)) in std::mem::replace(&mut self.columns, empty()).iter().zip(COLUMNS)
        {
            let missing = || ParquetError::General("a column too few".into());
            let mut to = group.next_column()?.ok_or_else(missing)?;
            column.write(kind, &mut to)?;
            to.close()?;
        }
        group.close()?;
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }
}

fn empty() -> Vec<Column> {
    COLUMNS.iter().map(|_| Column::default()).collect()
}

impl Column {
    /// Adds a value and returns about how long it is.
    fn put(&mut self, value: Value) -> usize {
        match value {
            Value::Number(number) => {
                self.there.push(i16::from(number.is_some()));
                self.numbers.extend(number.map(|number| i64::try_from(number).unwrap_or(i64::MAX)));
                8
            }
            Value::Time(time) => {
                self.there.push(i16::from(time.is_some()));
                self.numbers.extend(time.map(|time| time.as_microsecond()));
                8
            }
            Value::Real(real) => {
                self.there.push(i16::from(real.is_some()));
                self.reals.extend(real);
                8
            }
            Value::Text(text) => {
                let bytes = text.as_ref().map_or(0, String::len);
                self.there.push(i16::from(text.is_some()));
                self.texts.extend(text.map(|text| ByteArray::from(text.into_bytes())));
                bytes
            }
            Value::Texts(texts) => {
                if texts.is_empty() {
                    self.there.push(0);
                    self.first.push(0);
                }
                let mut bytes = 0;
                for (index, text) in texts.into_iter().enumerate() {
                    bytes += text.len();
                    self.there.push(1);
                    self.first.push(i16::from(index > 0));
                    self.texts.push(ByteArray::from(text.into_bytes()));
                }
                bytes
            }
        }
    }

    fn write(&self, kind: Kind, to: &mut SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        let there = Some(self.there.as_slice());
        match kind {
            Kind::Number | Kind::Time => {
                to.typed::<Int64Type>().write_batch(&self.numbers, there, None)?;
            }
            Kind::Real => {
                to.typed::<DoubleType>().write_batch(&self.reals, there, None)?;
            }
            Kind::Text => {
                to.typed::<ByteArrayType>().write_batch(&self.texts, there, None)?;
            }
            Kind::Texts => {
                let first = Some(self.first.as_slice());
                to.typed::<ByteArrayType>().write_batch(&self.texts, there, first)?;
            }
        }
        Ok(())
    }
}

fn schema() -> String {
    let columns = COLUMNS.map(|(name, kind)| match kind {
        Kind::Number => format!("optional int64 {name};"),
        Kind::Real => format!("optional double {name};"),
        Kind::Time => format!("optional int64 {name} (TIMESTAMP(MICROS,true));"),
        Kind::Text => format!("optional binary {name} (STRING);"),
        Kind::Texts => format!(
            "required group {name} (LIST) {{ repeated group list {{ required binary element (STRING); }} }}"
        ),
    });
    format!("message portcullis {{ {} }}", columns.join(" "))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::{Field, ListAccessor};
    use portcullis_core::{Body, Decision, Personal};
    use portcullis_ledger::{Content, Gap};
    use portcullis_testkit::{entry, verdict_entry};

    use super::*;

    fn row(seq: u64, content: Content) -> Row {
        let stored_at = Timestamp::from_microsecond(1_750_000_000_123_456).unwrap();
        Row { seq, journal_seq: None, stored_at, content, raw: None, personal: None }
    }

    fn read(bytes: Vec<u8>) -> (usize, Vec<[Value; 16]>) {
        let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
        let groups = reader.num_row_groups();
        let rows = reader.get_row_iter(None).unwrap().map(|row| {
            let fields: Vec<(String, Field)> = row.unwrap().into_columns();
            let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, COLUMNS.map(|(name, _)| name));
            let mut index = 0;
            COLUMNS.map(|(_, kind)| {
                index += 1;
                value(kind, &fields[index - 1].1)
            })
        });
        (groups, rows.collect())
    }

    fn value(kind: Kind, field: &Field) -> Value {
        match (kind, field) {
            (Kind::Number, Field::Null) => Value::Number(None),
            (Kind::Number, Field::Long(number)) => Value::Number(Some(*number as u64)),
            (Kind::Real, Field::Null) => Value::Real(None),
            (Kind::Real, Field::Double(real)) => Value::Real(Some(*real)),
            (Kind::Time, Field::Null) => Value::Time(None),
            (Kind::Time, Field::TimestampMicros(at)) => {
                Value::Time(Some(Timestamp::from_microsecond(*at).unwrap()))
            }
            (Kind::Text, Field::Null) => Value::Text(None),
            (Kind::Text, Field::Str(text)) => Value::Text(Some(text.clone())),
            (Kind::Texts, Field::ListInternal(list)) => {
                let texts = (0..list.len()).map(|at| list.get_string(at).unwrap().clone());
                Value::Texts(texts.collect())
            }
            (kind, field) => panic!("{kind:?}: {field:?}"),
        }
    }

    fn written(rows: &[Row]) -> Vec<u8> {
        let mut table = Table::begin(Vec::new()).unwrap();
        rows.iter().for_each(|row| table.put(row).unwrap());
        table.end().unwrap()
    }

    #[test]
    fn what_is_read_back_is_what_was_written() {
        let mut blocked = verdict_entry("blocked");
        if let Body::Verdict(record) = &mut blocked.body {
            record.speaker = Some("5eed".into());
            record.verdict.decision = Decision::Block;
            record.verdict.reasons = vec!["injection.direct".into(), "gap.sentiment.late".into()];
        }
        let personal = Personal { text: Some("häßlich, \"quoted\"\n".into()), ..<_>::default() };
        let mut rows = vec![
            row(1, Content::Entry(Box::new(verdict_entry("plain")))),
            row(2, Content::Entry(Box::new(blocked))),
            row(3, Content::Gap(Gap { after: 2, next: 9 })),
            row(4, Content::Entry(Box::new(entry("stopped")))),
        ];
        rows[1].personal = Some(Box::new(personal));
        let (groups, found) = read(written(&rows));
        assert_eq!(groups, 1);
        assert_eq!(found, rows.iter().map(cells).collect::<Vec<_>>());
        let text = |at: usize, column: usize| found[at][column].to_string();
        assert_eq!(text(1, 9), "injection.direct gap.sentiment.late");
        assert_eq!(text(1, 15), "häßlich, \"quoted\"\n");
        assert_eq!((text(2, 3), text(2, 4)), ("gap".into(), String::new()));
        // a file without rows is a file
        assert_eq!(read(written(&[])), (0, Vec::new()));
    }

    #[test]
    fn many_rows_are_several_groups() {
        let rows: Vec<Row> = (1..=ROWS as u64 + 10)
            .map(|seq| row(seq, Content::Gap(Gap { after: 0, next: 2 })))
            .collect();
        let (groups, found) = read(written(&rows));
        assert_eq!((groups, found.len()), (2, rows.len()));
        assert_eq!(found.last().unwrap()[0], Value::Number(Some(rows.len() as u64)));
    }
}
