//! The lines that we write are what a real InfluxDB 2 reads back.

use gateway::log::{
    Bookmark, ConfigImage, Disk, Folder, FolderDisk, Lane, LogOffset, LoggedSample, PointImage,
    Record, SampleEncoder,
};
use gateway::sink::influx::batch::Batch;
use gateway::sink::influx::client::{InfluxClient, WriteError};
use gateway::sink::influx::line::{Series, push_sample};
use gateway::sink::influx::writer::{self, Happened};
use support::Influxd;
use telemetry::{Clock, Quality, Sample, UtcMs, Value};
use tokio::sync::watch;

fn client(server: &Influxd) -> InfluxClient {
    InfluxClient::new(&server.url(), server.org(), server.bucket(), server.token())
        .expect("a good address")
}

fn series<'a>(point: &'a str, eu: Option<&'a str>) -> Series<'a> {
    Series {
        park: "binhe",
        enterprise: "huaxin",
        unit: "tank-farm",
        point,
        kind: "combustible-gas",
        eu,
    }
}

fn sample(at: i64, value: Option<f64>, quality: Quality) -> Sample {
    Sample {
        at: UtcMs(at),
        value: value.map(Value::Number),
        quality,
        clock: Clock::Synced,
    }
}

#[tokio::test]
async fn value_unit_quality_and_time_come_back_as_they_were_written() {
    let server = Influxd::start();
    let prefix = series("gt-101", Some("%LEL")).prefix().unwrap();
    let mut lines = Vec::new();
    push_sample(
        &mut lines,
        &prefix,
        &sample(1_700_000_000_123, Some(12.5), Quality::GOOD),
    );
    push_sample(
        &mut lines,
        &prefix,
        &sample(1_700_000_001_123, None, Quality::COMM_ERROR),
    );
    let client = client(&server);
    assert!(client.is_ready().await);
    // Twice: the same sample is the same point.
    client.write(lines.clone()).await.unwrap();
    client.write(lines).await.unwrap();
    let table = server.query(&format!(
        "from(bucket:\"{}\") |> range(start: 0) |> pivot(rowKey: [\"_time\"], columnKey: [\"_field\"], valueColumn: \"_value\") |> keep(columns: [\"_time\", \"u\", \"point\", \"q\", \"value\"])",
        server.bucket()
    ));
    let mut rows: Vec<&str> = table.trim().lines().collect();
    let header = rows.remove(0);
    assert_eq!(header.trim(), ",result,table,_time,point,u,q,value");
    let rows: Vec<&str> = rows.into_iter().map(str::trim).collect();
    assert_eq!(
        rows,
        [
            ",_result,0,2023-11-14T22:13:20.123Z,gt-101,%LEL,0,12.5",
            ",_result,0,2023-11-14T22:13:21.123Z,gt-101,%LEL,32773,",
        ]
    );
}

#[tokio::test]
async fn one_poison_line_goes_aside_and_the_rest_of_its_batch_is_written() {
    let server = Influxd::start();
    let client = client(&server);
    let mut batch = Batch::default();
    for index in 0..100 {
        let point = format!("gt-{index}");
        let prefix = series(&point, None).prefix().unwrap();
        if index == 41 {
            // A field type that the bucket does not have.
            batch.buffer().extend_from_slice(&prefix);
            batch
                .buffer()
                .extend_from_slice(b"value=12i,q=\"x\" 1700000000123\n");
        } else {
            push_sample(
                batch.buffer(),
                &prefix,
                &sample(1_700_000_000_123, Some(1.0), Quality::GOOD),
            );
        }
        batch.line_done();
    }
    // The bucket's types are set by what is there first.
    let mut first = Vec::new();
    push_sample(
        &mut first,
        &series("gt-41", None).prefix().unwrap(),
        &sample(1, Some(1.0), Quality::GOOD),
    );
    client.write(first).await.unwrap();
    batch.close();
    let mut dead = Vec::new();
    while let Some(part) = batch.next_part() {
        match client.write(part.to_vec()).await {
            Ok(()) => batch.written(),
            Err(WriteError::Reject(_)) => dead.extend(batch.rejected()),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(dead.len(), 1, "{dead:?}");
    assert!(String::from_utf8_lossy(&dead[0]).contains("point=gt-41,"));
    let table = server.query(&format!(
        "from(bucket:\"{}\") |> range(start: 2000-01-01T00:00:00Z) |> filter(fn: (r) => r._field == \"value\") |> group() |> count()",
        server.bucket()
    ));
    assert!(table.trim().ends_with(",99"), "{table}");
}

#[tokio::test]
async fn a_wrong_token_is_for_a_person_and_a_dead_server_is_for_later() {
    let mut server = Influxd::start();
    let line = || b"sample value=1,q=0i 1\n".to_vec();
    let stranger =
        InfluxClient::new(&server.url(), server.org(), server.bucket(), "nobody").unwrap();
    assert!(matches!(
        stranger.write(line()).await,
        Err(WriteError::Refused(_))
    ));
    let client = client(&server);
    server.kill();
    assert!(matches!(
        client.write(line()).await,
        Err(WriteError::Retry(_))
    ));
}

/// How many samples with a value the server has.
fn count(server: &Influxd) -> String {
    let table = server.query(&format!(
        "from(bucket:\"{}\") |> range(start: 0) |> filter(fn: (r) => r._field == \"value\") |> group() |> count()",
        server.bucket()
    ));
    table.trim().rsplit(',').next().unwrap().to_owned()
}

/// Appends samples of one point, a second apart, to a log; its end.
fn log_of(folder: &Folder, seconds: std::ops::Range<i64>) -> LogOffset {
    let config = ConfigImage {
        hash: "a".into(),
        park: "binhe".into(),
        enterprise: "huaxin".into(),
        points: vec![PointImage {
            unit: "tank-farm".into(),
            point: "gt-101".into(),
            kind: "combustible-gas".into(),
            eu: Some("%LEL".into()),
            digital: false,
        }],
        ..ConfigImage::default()
    };
    let mut appender = folder.open(&config, UtcMs(0)).unwrap().appender;
    let mut encoder = SampleEncoder::default();
    for index in seconds {
        encoder.clear();
        encoder.push(&LoggedSample {
            point: 0,
            lane: Lane::Live,
            sample: sample(1_700_000_000_000 + index * 1_000, Some(0.5), Quality::GOOD),
        });
        let record = Record::Pack {
            node: "edge-1",
            id: None,
            samples: encoder.samples(),
        };
        assert!(appender.append(&record, UtcMs(index)).stored);
    }
    let mut disk = FolderDisk::new(folder.path().to_owned());
    for chunk in appender.take() {
        disk.write(&chunk).unwrap();
    }
    disk.sync().unwrap();
    appender.end()
}

#[tokio::test]
async fn the_log_is_written_whole_once_the_database_is_back_and_twice_is_the_same_as_once() {
    const COUNT: i64 = 12_000;
    let data = tempfile::tempdir().unwrap();
    let folder = Folder::lock(data.path()).unwrap();
    let end = log_of(&folder, 0..COUNT);
    let durable = || watch::channel(end).1;

    let away = InfluxClient::new(
        &format!("http://127.0.0.1:{}", support::free_port()),
        "o",
        "b",
        "t",
    )
    .unwrap();
    let (told, mut hears) = tokio::sync::mpsc::channel(100);
    let mut tell = |happened| told.try_send(happened).unwrap();
    tokio::select! {
        () = writer::run(folder.path(), &away, durable(), &mut tell) => panic!("it gave up"),
        heard = hears.recv() => assert!(matches!(heard, Some(Happened::Away { .. })), "{heard:?}"),
    }

    let server = Influxd::start();
    let client = client(&server);
    let count = || count(&server);
    let mut quiet = |_| {};
    writer::run(folder.path(), &client, durable(), &mut quiet).await;
    assert_eq!(count(), COUNT.to_string());
    assert_eq!(Bookmark::new(folder.path(), "influx").load().unwrap(), end);
    // As if the bookmark had been lost.
    Bookmark::new(folder.path(), "influx")
        .store(LogOffset(0))
        .unwrap();
    writer::run(folder.path(), &client, durable(), &mut quiet).await;
    assert_eq!(count(), COUNT.to_string());
}

#[tokio::test]
async fn a_disk_that_takes_no_bookmark_and_a_log_that_was_cut_hold_no_sample_back() {
    let data = tempfile::tempdir().unwrap();
    let folder = Folder::lock(data.path()).unwrap();
    let end = log_of(&folder, 0..100);
    // What an earlier log had at this offset is gone.
    let bookmark = Bookmark::new(folder.path(), "influx");
    bookmark.store(LogOffset(end.0 + 100)).unwrap();
    // A folder in the place of the file that is written beside: no bookmark can be stored.
    std::fs::create_dir(folder.path().join("influx.new")).unwrap();

    let server = Influxd::start();
    let client = client(&server);
    let (durable, durable_told) = watch::channel(end);
    let mut noted = Vec::new();
    let mut tell = |happened| noted.push(happened);
    let more = async {
        for seconds in [100..200, 200..300] {
            durable.send_replace(log_of(&folder, seconds));
            tokio::task::yield_now().await;
        }
        drop(durable);
    };
    tokio::join!(
        writer::run(folder.path(), &client, durable_told, &mut tell),
        more
    );
    assert_eq!(count(&server), "200");
    let refused = |happened: &Happened| matches!(happened, Happened::NotNoted { .. });
    assert!(noted.iter().any(refused), "{noted:?}");
}
