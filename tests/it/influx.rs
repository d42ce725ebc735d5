//! The lines that we write are what a real InfluxDB 2 reads back.

use gateway::sink::influx::batch::Batch;
use gateway::sink::influx::client::{InfluxClient, WriteError};
use gateway::sink::influx::line::{Series, push_sample};
use support::Influxd;
use telemetry::{Clock, Quality, Sample, UtcMs, Value};

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
