"""The district, out of a region as people write it."""

import pytest

from shared_schema.regions import district


@pytest.mark.parametrize(
    ("region", "told"),
    [
        ("浙江省杭州市西湖区", "西湖区"),
        ("广东省 深圳市 福田区", "福田区"),
        ("深圳市南山区粤海街道", "南山区粤海街道"),
        ("北京市朝阳区", "朝阳区"),
        ("广东省东莞市", "东莞市"),
        ("浙江省嘉兴市海宁市", "海宁市"),
        ("湖北省恩施土家族苗族自治州恩施市", "恩施市"),
        ("内蒙古自治区锡林郭勒盟锡林浩特市", "锡林浩特市"),
        ("湖北省荆州市沙市区", "沙市区"),
        ("湖南省常德市津市市", "津市市"),
        ("福田区城市花园", "福田区城市花园"),
        ("广东省", "广东省"),
        ("福田", "福田"),
        ("Camden, London", "Camden, London"),
        ("", ""),
    ],
)
def test_the_district_stands_without_its_province_and_city(region: str, told: str) -> None:
    assert district(region) == told
