//! Encodes with the originals of internal/deflate: reads the number of an encoder, four
//! bytes of length and an input, answers four bytes of length and the stream.

use std::io::{self, Read, Write};

fn main() -> io::Result<()> {
    let (mut asked, mut answers) = (io::stdin().lock(), io::stdout().lock());
    let mut head = [0; 5];
    while asked.read_exact(&mut head).is_ok() {
        let size = u32::from_le_bytes(head[1..].try_into().unwrap()) as usize;
        let mut input = vec![0; size];
        asked.read_exact(&mut input)?;
        let mut output = vec![0; size + size / 1000 + 4096];
        let n = match head[0] {
            1 => miniz(&input, &mut output),
            2 => zlib(&input, &mut output, 8),
            3 => zlib(&input, &mut output, 9),
            4 => zlib_rs_old(&input, &mut output),
            5 => zlib_rs(&input, &mut output),
            other => panic!("there is no original of encoder {other}"),
        };
        answers.write_all(&(n as u32).to_le_bytes())?;
        answers.write_all(&output[..n])?;
        answers.flush()?;
    }
    Ok(())
}

fn miniz(input: &[u8], output: &mut [u8]) -> usize {
    use miniz_sys::*;
    unsafe {
        let mut stream = std::mem::zeroed::<mz_stream>();
        assert_eq!(mz_deflateInit2(&mut stream, 9, MZ_DEFLATED, -15, 9, MZ_DEFAULT_STRATEGY), MZ_OK);
        stream.next_in = input.as_ptr();
        stream.avail_in = input.len() as u32;
        stream.next_out = output.as_mut_ptr();
        stream.avail_out = output.len() as u32;
        assert_eq!(mz_deflate(&mut stream, MZ_FINISH), MZ_STREAM_END);
        let n = stream.total_out as usize;
        mz_deflateEnd(&mut stream);
        n
    }
}

fn zlib(input: &[u8], output: &mut [u8], mem_level: i32) -> usize {
    use libz_sys::*;
    unsafe {
        let mut stream = std::mem::MaybeUninit::<z_stream>::zeroed();
        let z = stream.as_mut_ptr();
        std::ptr::addr_of_mut!((*z).next_in).write(input.as_ptr() as *mut u8);
        let size = std::mem::size_of::<z_stream>() as i32;
        assert_eq!(deflateInit2_(z, 9, Z_DEFLATED, -15, mem_level, Z_DEFAULT_STRATEGY, zlibVersion(), size), Z_OK);
        (*z).avail_in = input.len() as u32;
        (*z).next_out = output.as_mut_ptr();
        (*z).avail_out = output.len() as u32;
        assert_eq!(deflate(z, Z_FINISH), Z_STREAM_END);
        let n = (*z).total_out as usize;
        deflateEnd(z);
        n
    }
}

fn zlib_rs_old(input: &[u8], output: &mut [u8]) -> usize {
    use zlib_rs_old::deflate::{compress_slice, DeflateConfig};
    let config = DeflateConfig { window_bits: -15, ..DeflateConfig::new(9) };
    compress_slice(output, input, config).0.len()
}

fn zlib_rs(input: &[u8], output: &mut [u8]) -> usize {
    let config = zlib_rs::DeflateConfig { window_bits: -15, ..zlib_rs::DeflateConfig::new(9) };
    zlib_rs::compress_slice(output, input, config).0.len()
}
