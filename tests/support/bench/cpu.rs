//! Who used how much of the processors: the kernel's own counters, in its ticks of 10 ms.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

/// The kernel counts in this for every program (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// What a process had used of the processors at one moment.
#[derive(Clone, Debug, Default)]
pub struct Cpu {
    by_thread: BTreeMap<String, u64>,
    ticks: u64,
}

impl Cpu {
    /// Of a process, by its id.
    pub fn of(id: u32) -> Self {
        let mut by_thread = BTreeMap::new();
        let tasks = fs::read_dir(format!("/proc/{id}/task")).expect("the process runs");
        for task in tasks.flatten() {
            // A thread may have ended since.
            if let Ok(stat) = fs::read_to_string(task.path().join("stat")) {
                let (name, ticks) = parse(&stat);
                *by_thread.entry(name).or_default() += ticks;
            }
        }
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).expect("the process runs");
        Self {
            by_thread,
            ticks: parse(&stat).1,
        }
    }

    /// Of this process.
    pub fn own() -> Self {
        Self::of(std::process::id())
    }

    /// What was used since an earlier look.
    pub fn since(&self, earlier: &Self) -> Duration {
        time(self.ticks - earlier.ticks)
    }

    /// The same for each thread that used any, the busiest first; threads of one name together.
    pub fn threads_since(&self, earlier: &Self) -> Vec<(String, Duration)> {
        let mut used: Vec<_> = self
            .by_thread
            .iter()
            .map(|(name, ticks)| {
                let before = earlier.by_thread.get(name).copied().unwrap_or_default();
                (name.clone(), time(ticks.saturating_sub(before)))
            })
            .filter(|(_, used)| !used.is_zero())
            .collect();
        used.sort_by_key(|(_, used)| std::cmp::Reverse(*used));
        used
    }
}

/// What all processes had used of the processors at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Machine(u64);

impl Machine {
    /// Now.
    pub fn now() -> Self {
        let stat = fs::read_to_string("/proc/stat").expect("a Linux");
        let line = stat.lines().next().unwrap_or_default();
        let numbers: Vec<u64> = line
            .split(' ')
            .filter_map(|word| word.parse().ok())
            .collect();
        // user nice system (idle iowait) irq softirq
        Self(numbers[..3].iter().sum::<u64>() + numbers[5] + numbers[6])
    }

    /// What was used since an earlier look.
    pub fn since(self, earlier: Self) -> Duration {
        time(self.0.saturating_sub(earlier.0))
    }
}

/// Two of the kernel's figures on a process's memory, in KiB: what is resident, and the most that ever was.
pub fn memory_kib(id: u32) -> (u64, u64) {
    let status = fs::read_to_string(format!("/proc/{id}/status")).expect("the process runs");
    let figure = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        let number = line.and_then(|rest| rest.split_whitespace().next());
        number.and_then(|number| number.parse().ok()).unwrap_or(0)
    };
    (figure("VmRSS:"), figure("VmHWM:"))
}

/// A thread's name, and its user and system ticks.
fn parse(stat: &str) -> (String, u64) {
    let (head, rest) = stat.rsplit_once(") ").expect("a stat line");
    let name = head.split_once('(').map_or("", |(_, name)| name);
    let field = |n: usize| -> u64 {
        let word = rest.split(' ').nth(n);
        word.and_then(|word| word.parse().ok()).unwrap_or(0)
    };
    // The 14th and 15th field; `rest` begins with the third.
    (name.to_owned(), field(11) + field(12))
}

fn time(ticks: u64) -> Duration {
    TICK * u32::try_from(ticks).unwrap_or(u32::MAX)
}
